//! What the crate promises, over whole files.

mod corpus;
mod laws;
mod mistakes;
mod questions;

use base::{Diagnostic, Source};

/// What a user would see.
fn render(diagnostics: &[Diagnostic], text: &str) -> String {
    let source = Source { name: "mainstay.toml", text };
    diagnostics.iter().map(|diagnostic| diagnostic.render(source, false) + "\n").collect()
}

/// A manifest that uses everything.
const COMPLETE: &str = include_str!("valid/complete.toml");
