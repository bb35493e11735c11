//! `[volume.NAME]`: a directory that outlives instances.

use base::{Bytes, Span, Spanned};

use crate::cursor::Cursor;
use crate::field::{Field, Section, Shape, Syntax};
use crate::forms::variable_name;

/// A directory that outlives instances.
#[derive(Clone, Debug, PartialEq)]
pub struct Volume {
    /// As in the header.
    pub name: Spanned<String>,
    /// The service that it belongs to.
    pub of: Spanned<String>,
    /// How much it is expected to hold.
    pub size: Option<Spanned<Bytes>>,
    /// The variable that holds its path; `NAME_DIR` in capitals when absent.
    pub variable: Option<Spanned<String>>,
    /// Where the section is named.
    pub span: Span,
}

/// The keys of `[volume.NAME]`.
pub static FIELDS: &[Field] = &[
    Field::new("of", Syntax::Name("service"), "The service that it belongs to.")
        .example("\"api\"")
        .required(),
    Field::new("size", Syntax::Size, "How much it is expected to hold.").example("\"20Gi\""),
    Field::new(
        "variable",
        Syntax::Text,
        "The variable that holds its path; left out: `NAME_DIR`, in capitals.",
    )
    .example("\"UPLOADS_DIR\""),
];

/// `[volume.NAME]`.
pub static SECTION: Section = Section {
    name: "volume",
    about: "A directory that outlives instances; its path is handed over in a variable.",
    shape: Shape::Named(FIELDS),
    example: "[volume.uploads]\nof   = \"api\"\nsize = \"20Gi\"",
};

impl Volume {
    pub(crate) fn read(name: Spanned<String>, mut cursor: Cursor<'_>) -> Option<Self> {
        cursor.require_all();
        let span = name.span;
        let size = cursor.bytes("size");
        let variable = cursor.read("variable", variable_name);
        Some(Self { of: cursor.name("of")?, name, size, variable, span })
    }

    /// The variable that holds its path.
    #[must_use]
    pub fn variable(&self) -> String {
        match &self.variable {
            Some(variable) => variable.value.clone(),
            None => format!("{}_DIR", self.name.to_ascii_uppercase().replace('-', "_")),
        }
    }
}
