//! `[metric.NAME]`: a number that matters to the business, shown and alerted on like any other.

use base::{Span, Spanned};

use crate::cursor::Cursor;
use crate::field::{Field, Section, Shape, Syntax};

/// A number that matters to the business.
#[derive(Clone, Debug, PartialEq)]
pub struct Metric {
    /// As in the header.
    pub name: Spanned<String>,
    /// The PromQL expression that gives it.
    pub query: Spanned<String>,
    /// What it counts.
    pub unit: Option<Spanned<Unit>>,
    /// Its name for people.
    pub title: Option<Spanned<String>>,
    /// Where the section is named.
    pub span: Span,
}

/// What a metric counts.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Unit {
    /// A share between 0 and 1.
    Ratio,
    /// Things.
    Count,
    /// Seconds.
    Seconds,
    /// Bytes.
    Bytes,
    /// Things per second.
    PerSecond,
}

const UNITS: &[(&str, Unit)] = &[
    ("ratio", Unit::Ratio),
    ("count", Unit::Count),
    ("seconds", Unit::Seconds),
    ("bytes", Unit::Bytes),
    ("per-second", Unit::PerSecond),
];

/// The keys of `[metric.NAME]`.
pub static FIELDS: &[Field] = &[
    Field::new("query", Syntax::Text, "The PromQL expression that gives it.")
        .example("\"sum(rate(uploads_total[5m]))\"")
        .required(),
    Field::new(
        "unit",
        Syntax::Choice(&["ratio", "count", "seconds", "bytes", "per-second"]),
        "What it counts.",
    )
    .example("\"ratio\""),
    Field::new("title", Syntax::Text, "Its name for people; left out: the section's.")
        .example("\"Uploads\""),
];

/// `[metric.NAME]`.
pub static SECTION: Section = Section {
    name: "metric",
    about: "A number that matters to the business, shown and alerted on like any other.",
    shape: Shape::Named(FIELDS),
    example: "[metric.uploads]\nquery = \"sum(rate(uploads_total[5m]))\"\nunit  = \"per-second\"",
};

impl Metric {
    pub(crate) fn read(name: Spanned<String>, mut cursor: Cursor<'_>) -> Option<Self> {
        cursor.require_all();
        let span = name.span;
        let unit = cursor.choice("unit", UNITS);
        let title = cursor.text("title");
        Some(Self { query: cursor.text("query")?, name, unit, title, span })
    }
}
