//! `[flags]`: switches that are handed to services and that environments override.

use std::fmt;

use base::{Diagnostic, Spanned};

use crate::field::{Section, Shape};
use crate::tree::{Node, Value};

/// A switch.
#[derive(Clone, Debug, PartialEq)]
pub struct Flag {
    /// Its key.
    pub name: Spanned<String>,
    /// What it is set to.
    pub value: Spanned<FlagValue>,
}

/// What a flag is set to.
#[derive(Clone, Debug, PartialEq)]
pub enum FlagValue {
    /// On or off.
    Boolean(bool),
    /// A whole number.
    Integer(i64),
    /// A number with a point.
    Float(f64),
    /// A word.
    Text(String),
}

/// `[flags]`.
pub static SECTION: Section = Section {
    name: "flags",
    about: "Switches: true or false, numbers or text. Each is handed to every service as \
        `FLAG_NAME`, and in a file that changes without a restart.",
    shape: Shape::Values,
    example: "[flags]\nnew-matcher = false",
};

impl Flag {
    pub(crate) fn read(
        name: Spanned<String>,
        node: &Node,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<Self> {
        let value = match &node.value {
            Value::Boolean(truth) => FlagValue::Boolean(*truth),
            Value::Integer(number) => FlagValue::Integer(*number),
            Value::Float(number) if number.is_finite() => FlagValue::Float(*number),
            Value::Text(text) => FlagValue::Text(text.clone()),
            other => {
                let message = format!(
                    "flag `{}` must be `true`, `false`, a number or text, not {}",
                    name.value,
                    other.kind()
                );
                let help = format!("write `{} = false`", name.value);
                diagnostics
                    .push(Diagnostic::error("wrong-type", message).at(node.span, "").help(help));
                return None;
            }
        };
        Some(Self { name, value: Spanned::new(value, node.span) })
    }

    /// The variable that carries it: `FLAG_NEW_MATCHER`.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("FLAG_{}", self.name.to_ascii_uppercase().replace('-', "_"))
    }
}

impl fmt::Display for FlagValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Boolean(truth) => write!(f, "{truth}"),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Float(number) => write!(f, "{number}"),
            Self::Text(text) => f.write_str(text),
        }
    }
}
