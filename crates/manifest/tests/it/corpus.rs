//! Wrong manifests and what is said about them: `corpus/NAME.toml`, and `NAME.snap` beside it.

use std::fs;
use std::path::Path;

use base::Severity;

use crate::render;

#[test]
fn every_wrong_manifest_is_explained() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/corpus");
    let mut cases: Vec<_> = fs::read_dir(&folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    cases.sort();
    assert!(70 <= cases.len());
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path(&folder);
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    for case in cases {
        let name = case.file_stem().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&case).unwrap();
        let (manifest, diagnostics) = manifest::parse(&text, None);
        let failed = diagnostics.iter().any(|d| d.severity == Severity::Error);
        assert_eq!(manifest.is_none(), failed, "{name}");
        assert!(!diagnostics.is_empty(), "{name}");
        for diagnostic in &diagnostics {
            assert!(diagnostic.help.is_some(), "{name}: {} has no remedy", diagnostic.message);
        }
        settings.bind(|| insta::assert_snapshot!(name, render(&diagnostics, &text)));
    }
}
