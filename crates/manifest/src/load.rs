//! `[load.NAME]`: how many requests a release must stand, and by which objectives.

use std::time::Duration;

use base::{Rate, Span, Spanned, parse_duration};

use crate::cursor::{Cursor, Refusal};
use crate::field::{Field, Section, Shape, Syntax};

/// A load test.
#[derive(Clone, Debug, PartialEq)]
pub struct Load {
    /// As in the header.
    pub name: Spanned<String>,
    /// Its parts, one after the other.
    pub phases: Vec<Spanned<Phase>>,
    /// The file that says what a visitor does.
    pub scenario: Option<Spanned<String>>,
    /// The objectives that decide.
    pub judge: Vec<Spanned<String>>,
    /// Where the section is named.
    pub span: Span,
}

/// A part of a load test.
#[derive(Clone, Debug, PartialEq)]
pub struct Phase {
    /// What it is for.
    pub kind: PhaseKind,
    /// How long it lasts.
    pub duration: Duration,
    /// Arrivals at its beginning.
    pub from: Rate,
    /// Arrivals at its end.
    pub to: Rate,
}

/// What a phase is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum PhaseKind {
    /// Not judged.
    WarmUp,
    /// From one rate to another.
    Ramp,
    /// One rate.
    Hold,
}

/// The keys of `[load.NAME]`.
pub static FIELDS: &[Field] = &[
    Field::new(
        "phases",
        Syntax::List(&Syntax::Form(
            "`DURATION warm-up RATE`, `DURATION ramp RATE to RATE` or `DURATION hold RATE`",
        )),
        "Its parts, one after the other.",
    )
    .example("[\"1m warm-up 1/s\", \"2m ramp 5/s to 20/s\", \"5m hold 20/s\"]")
    .required(),
    Field::new("scenario", Syntax::Path, "The file that says what a visitor does.")
        .example("\"load/upload.toml\""),
    Field::new("judge", Syntax::List(&Syntax::Name("slo")), "The objectives that decide.")
        .example("[\"latency\"]"),
];

/// `[load.NAME]`.
pub static SECTION: Section = Section {
    name: "load",
    about: "A load test: arrivals that do not wait for answers, judged by objectives.",
    shape: Shape::Named(FIELDS),
    example: "[load.peak]\nphases = [\"1m warm-up 1/s\", \"2m ramp 5/s to 20/s\", \"5m hold \
        20/s\"]\njudge  = [\"latency\"]",
};

impl Load {
    pub(crate) fn read(name: Spanned<String>, mut cursor: Cursor<'_>) -> Option<Self> {
        let incomplete = cursor.require_all();
        let span = name.span;
        let phases = cursor.list("phases", Phase::parse);
        let scenario = cursor.file("scenario");
        let judge = cursor.name_list("judge");
        (!incomplete).then_some(Self { name, phases, scenario, judge, span })
    }
}

impl Phase {
    /// Reads a phase.
    ///
    /// # Errors
    ///
    /// When the line has another form.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let (duration, kind, from, to) = match words.as_slice() {
            [duration, "warm-up", rate] => (duration, PhaseKind::WarmUp, rate, rate),
            [duration, "hold", rate] => (duration, PhaseKind::Hold, rate, rate),
            [duration, "ramp", from, "to", to] => (duration, PhaseKind::Ramp, from, to),
            _ => {
                let message = format!("`{text}` is not a phase");
                let help = "write `1m warm-up 1/s`, `2m ramp 5/s to 20/s` or `5m hold 20/s`";
                return Err(Refusal::new(message, help));
            }
        };
        let duration = parse_duration(duration)?;
        if duration.is_zero() {
            return Err(Refusal::new(
                format!("`{text}` lasts no time"),
                "write a duration above zero",
            ));
        }
        Ok(Self { kind, duration, from: Rate::parse(from)?, to: Rate::parse(to)? })
    }

    /// The highest rate of arrivals in it.
    #[must_use]
    pub fn peak(&self) -> Rate {
        if self.to.per_second() < self.from.per_second() { self.from } else { self.to }
    }
}
