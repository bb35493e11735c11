//! Any bytes as a manifest: reading ends, never panics, and points only into the text.

#![no_main]

use base::Source;
use libfuzzer_sys::fuzz_target;
use manifest::Document;

fuzz_target!(|bytes: &[u8]| {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return;
    };
    let document = Document::parse(text);
    let (manifest, diagnostics) = document.resolve(Some("dev"));
    for diagnostic in &diagnostics {
        for place in &diagnostic.places {
            assert!(text.get(place.span.start..place.span.end).is_some());
        }
        let rendered = diagnostic.render(Source { name: "mainstay.toml", text }, false);
        assert!(!rendered.contains('\x1b'));
    }
    let Some(manifest) = manifest else {
        assert!(!diagnostics.is_empty());
        return;
    };
    assert!(!manifest::env_example(&manifest).is_empty());
    assert!(!manifest::variables(&manifest).is_empty());
    assert!(document.diff(Some("dev"), Some("dev")).is_empty());
});
