//! `[telemetry]`: how long what was measured is kept.

use std::time::Duration;

use base::{Percent, Span, Spanned};

use crate::cursor::Cursor;
use crate::field::{Field, Section, Shape, Syntax};

/// How long what was measured is kept, and how much of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Telemetry {
    /// How long metrics, logs and traces are kept.
    pub keep: Spanned<Duration>,
    /// The share of requests that is traced.
    pub traces: Option<Spanned<Percent>>,
    /// Where the section is named; an empty place when it is left out.
    pub span: Span,
}

/// How long things are kept when nothing is said.
pub const DEFAULT_KEEP: Duration = Duration::from_secs(30 * 86_400);

/// The keys of `[telemetry]`.
pub static FIELDS: &[Field] = &[
    Field::new("keep", Syntax::Duration, "How long metrics, logs and traces are kept.")
        .default("\"30d\"")
        .example("\"90d\""),
    Field::new(
        "traces",
        Syntax::Percent,
        "The share of requests that is traced; left out: as many as fit.",
    )
    .example("\"10%\""),
];

/// `[telemetry]`.
pub static SECTION: Section = Section {
    name: "telemetry",
    about: "How long what was measured is kept.",
    shape: Shape::Single(FIELDS),
    example: "[telemetry]\nkeep = \"30d\"",
};

impl Default for Telemetry {
    fn default() -> Self {
        let span = Span::default();
        Self { keep: Spanned::new(DEFAULT_KEEP, span), traces: None, span }
    }
}

impl Telemetry {
    pub(crate) fn read(mut cursor: Cursor<'_>) -> Self {
        let span = cursor.span();
        Self {
            keep: cursor.period("keep").unwrap_or(Spanned::new(DEFAULT_KEEP, span)),
            traces: cursor.percent("traces"),
            span,
        }
    }
}
