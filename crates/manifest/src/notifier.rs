//! `[notify.NAME]`: a way to tell somebody.

use base::{Span, Spanned};

use crate::cursor::{Cursor, KindTable};
use crate::field::{Field, Section, Shape, Syntax};

/// A way to tell somebody; its keys belong to its kind.
#[derive(Clone, Debug)]
pub struct Notifier {
    /// As in the header.
    pub name: Spanned<String>,
    /// `slack`, `pagerduty`, …
    pub kind: Spanned<String>,
    /// The whole section, for the kind's own keys.
    pub table: KindTable,
    /// Where the section is named.
    pub span: Span,
}

/// The keys of `[notify.NAME]` that do not belong to a kind.
pub static FIELDS: &[Field] =
    &[Field::new("kind", Syntax::Text, "What it is; decides which other keys there are.")
        .example("\"slack\"")
        .required()];

/// `[notify.NAME]`.
pub static SECTION: Section = Section {
    name: "notify",
    about: "A way to tell somebody.",
    shape: Shape::Named(FIELDS),
    example: "[notify.team]\nkind = \"slack\"\nurl  = \"$SLACK_WEBHOOK\"",
};

impl Notifier {
    pub(crate) fn read(
        name: Spanned<String>,
        table: KindTable,
        mut cursor: Cursor<'_>,
    ) -> Option<Self> {
        cursor.require_all();
        let span = name.span;
        Some(Self { kind: cursor.text("kind")?, name, table, span })
    }
}
