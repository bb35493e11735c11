//! `[secret]`: what is known of secrets apart from their values, which are never in this file.

use base::{Diagnostic, Span, Spanned};

use crate::cursor::{Cursor, Refusal};
use crate::field::{Field, Section, Shape, Syntax};
use crate::tree::{Node, Value};

/// What is known of a secret.
#[derive(Clone, Debug, PartialEq)]
pub struct SecretDeclaration {
    /// Its name.
    pub name: Spanned<String>,
    /// How it is made when it is missing.
    pub generate: Option<Spanned<Generate>>,
    /// What it is for.
    pub doc: Option<Spanned<String>>,
    /// Where it is named.
    pub span: Span,
}

/// How a missing secret is made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Generate {
    /// Random bytes, which become text of twice as many hexadecimal digits.
    pub bytes: u16,
}

/// The keys of a secret.
pub static FIELDS: &[Field] = &[
    Field::new(
        "generate",
        Syntax::Form("`N bytes`, N from 16 to 1024"),
        "Makes it from so many random bytes when it is missing.",
    )
    .example("\"32 bytes\""),
    Field::new("doc", Syntax::Text, "What it is for; stands in `.env.example`.")
        .example("\"Signs the tokens of people who logged in\""),
];

/// `[secret]`.
pub static SECTION: Section = Section {
    name: "secret",
    about: "What is known of secrets apart from their values. Those are set with `mainstay \
        secret set NAME` and never stand in this file.",
    shape: Shape::Variables(FIELDS),
    example: "[secret]\nJWT_SECRET = { generate = \"32 bytes\" }",
};

impl SecretDeclaration {
    pub(crate) fn read(
        name: Spanned<String>,
        node: &Node,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<Self> {
        if !matches!(node.value, Value::Table(_)) {
            let message = format!("a value for the secret `{}` stands in the manifest", name.value);
            let help = format!(
                "run `mainstay secret set {0}`, and write `{0} = {{}}` here; if the value was \
                    real, change it: it is in the file's history",
                name.value
            );
            diagnostics
                .push(Diagnostic::error("secret-value", message).at(node.span, "").help(help));
            return None;
        }
        let span = name.span;
        let mut cursor =
            Cursor::open(node, &format!("secret.{}", name.value), FIELDS, diagnostics)?;
        let generate = cursor.read("generate", Generate::parse);
        Some(Self { generate, doc: cursor.text("doc"), name, span })
    }
}

impl Generate {
    /// Reads `32 bytes`.
    ///
    /// # Errors
    ///
    /// When it is something else, or too few to be secret.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let words: Vec<&str> = text.split_whitespace().collect();
        if let [count, "bytes"] = words.as_slice()
            && let Ok(bytes) = count.parse::<u16>()
            && (16..=1024).contains(&bytes)
        {
            return Ok(Self { bytes });
        }
        let message = format!("`{text}` does not say how to make a secret");
        Err(Refusal::new(message, "write `32 bytes`; from 16 to 1024 are possible"))
    }
}
