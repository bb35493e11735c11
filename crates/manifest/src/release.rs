//! `[release]`: how a new version takes the place of the old one.

use std::time::Duration;

use base::{Diagnostic, Percent, Rate, Span, Spanned, parse_duration};

use crate::cursor::{Cursor, Refusal};
use crate::field::{Field, Section, Shape, Syntax};

/// How a new version takes the place of the old one.
#[derive(Clone, Debug, PartialEq)]
pub struct Release {
    /// In which manner.
    pub strategy: Spanned<Strategy>,
    /// The shares of a canary, one after the other.
    pub steps: Vec<Spanned<Step>>,
    /// The objectives that decide.
    pub judge: Vec<Spanned<String>>,
    /// Requests that each step needs for a verdict.
    pub evidence: Option<Spanned<u64>>,
    /// The traffic to expect, for the check that the evidence can be reached.
    pub rate: Option<Spanned<Rate>>,
    /// How many releases are kept for going back.
    pub keep: Spanned<u32>,
    /// Where the section is named; an empty place when it is left out.
    pub span: Span,
}

/// The manner of a release.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Strategy {
    /// Stop the old, start the new.
    Restart,
    /// One instance after the other.
    Rolling,
    /// All of the new beside all of the old, then one switch.
    BlueGreen,
    /// A growing share of the requests.
    Canary,
}

/// A share of a canary.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Step {
    /// The share of requests that the new version gets.
    pub weight: Percent,
    /// For how long.
    pub duration: Duration,
}

const STRATEGIES: &[(&str, Strategy)] = &[
    ("restart", Strategy::Restart),
    ("rolling", Strategy::Rolling),
    ("blue-green", Strategy::BlueGreen),
    ("canary", Strategy::Canary),
];

/// How many releases are kept when nothing is said.
pub const DEFAULT_KEEP: u32 = 5;

/// The keys of `[release]`.
pub static FIELDS: &[Field] = &[
    Field::new(
        "strategy",
        Syntax::Choice(&["restart", "rolling", "blue-green", "canary"]),
        "In which manner the new version takes over.",
    )
    .default("\"rolling\"")
    .example("\"canary\""),
    Field::new(
        "steps",
        Syntax::List(&Syntax::Form("`PERCENT DURATION`")),
        "The shares of a canary, one after the other.",
    )
    .example("[\"5% 2m\", \"25% 5m\", \"50% 5m\"]"),
    Field::new("judge", Syntax::List(&Syntax::Name("slo")), "The objectives that decide.")
        .example("[\"latency\", \"availability\"]"),
    Field::new(
        "evidence",
        Syntax::Whole(1, 1_000_000_000),
        "Requests that each step needs for a verdict; with fewer it holds.",
    )
    .example("500"),
    Field::new(
        "rate",
        Syntax::Rate,
        "The traffic to expect; with it, `check` tells whether the evidence can be reached.",
    )
    .example("\"12/s\""),
    Field::new("keep", Syntax::Whole(1, 100), "How many releases are kept for going back.")
        .default("5")
        .example("5"),
];

/// `[release]`.
pub static SECTION: Section = Section {
    name: "release",
    about: "How a new version takes the place of the old one.",
    shape: Shape::Single(FIELDS),
    example: "[release]\nstrategy = \"canary\"\nsteps    = [\"5% 2m\", \"25% 5m\", \"50% \
        5m\"]\njudge    = [\"availability\"]\nevidence = 500",
};

impl Default for Release {
    fn default() -> Self {
        let span = Span::default();
        Self {
            strategy: Spanned::new(Strategy::Rolling, span),
            steps: Vec::new(),
            judge: Vec::new(),
            evidence: None,
            rate: None,
            keep: Spanned::new(DEFAULT_KEEP, span),
            span,
        }
    }
}

impl Release {
    pub(crate) fn read(mut cursor: Cursor<'_>) -> Self {
        let span = cursor.span();
        let release = Self {
            strategy: cursor
                .choice("strategy", STRATEGIES)
                .unwrap_or(Spanned::new(Strategy::Rolling, span)),
            steps: cursor.list("steps", Step::parse),
            judge: cursor.name_list("judge"),
            evidence: cursor.whole("evidence"),
            rate: cursor.rate("rate"),
            keep: cursor.whole("keep").unwrap_or(Spanned::new(DEFAULT_KEEP, span)),
            span,
        };
        for pair in release.steps.windows(2) {
            if let [before, after] = pair
                && after.weight <= before.weight
            {
                let message =
                    format!("a step of {} follows one of {}", after.weight, before.weight);
                let diagnostic = Diagnostic::error("contradiction", message)
                    .at(after.span, "not more than before")
                    .at(before.span, "before")
                    .help("write the shares in growing order");
                cursor.report(diagnostic);
            }
        }
        let strategy = release.strategy;
        if strategy.value == Strategy::Canary && !cursor.has("steps") {
            let diagnostic = Diagnostic::error("missing-key", "a canary has no `steps`")
                .at(strategy.span, "")
                .help("add `steps = [\"5% 2m\", \"25% 5m\", \"50% 5m\"]`");
            cursor.report(diagnostic);
        }
        release
    }
}

impl Step {
    /// Reads `5% 2m`.
    ///
    /// # Errors
    ///
    /// When it is not a percentage above zero and a duration.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let [weight, duration] = words.as_slice() else {
            let message = format!("`{text}` is not a step");
            return Err(Refusal::new(message, "write a share and a duration: `5% 2m`"));
        };
        let (weight, duration) = (Percent::parse(weight)?, parse_duration(duration)?);
        if weight.fraction() <= 0.0 || duration.is_zero() {
            return Err(Refusal::new(format!("`{text}` is a step of nothing"), "write `5% 2m`"));
        }
        Ok(Self { weight, duration })
    }
}
