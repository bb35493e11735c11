//! The words every layer shares and that belong to no layer: diagnostics, quantities, secrets,
//! time as a parameter, catalogues.
//!
//! Nothing here knows a word of the manifest, a file, a socket or tokio. A type belongs here only
//! when crates that may not know each other need the same one.

mod bytes;
mod clock;
mod diagnostic;
mod duration;
mod kind;
mod percent;
mod rate;
mod secret;
mod span;

pub use bytes::Bytes;
pub use clock::Clock;
pub use diagnostic::{Diagnostic, Place, Severity, Source};
pub use duration::{format_duration, parse_duration};
pub use kind::{Kind, find};
pub use percent::Percent;
pub use rate::Rate;
pub use secret::Secret;
pub use span::{Span, Spanned};

/// Why a quantity could not be read from its text.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{problem}; {remedy}")]
pub struct QuantityError {
    /// What is wrong, as a fragment: "`5 parsecs` is not a duration".
    pub problem: String,
    /// What to write instead, as an imperative sentence.
    pub remedy: String,
}

impl QuantityError {
    pub(crate) fn new(problem: String, remedy: &str) -> Self {
        Self { problem, remedy: remedy.to_owned() }
    }
}
