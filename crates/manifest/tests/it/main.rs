//! What the crate promises, over whole files.

use base::{Diagnostic, Source};

fn render(diagnostics: &[Diagnostic], text: &str) -> String {
    let source = Source { name: "mainstay.toml", text };
    diagnostics.iter().map(|diagnostic| diagnostic.render(source, false) + "\n").collect()
}

#[test]
fn a_complete_manifest_is_read_in_every_environment() {
    let text = include_str!("valid/complete.toml");
    for environment in [None, Some("dev"), Some("staging"), Some("production")] {
        let (manifest, diagnostics) = manifest::parse(text, environment);
        assert_eq!(render(&diagnostics, text), "");
        assert!(manifest.is_some());
    }
}
