//! Questions about a manifest that is right.

use crate::{COMPLETE, render};

#[test]
fn a_complete_manifest_is_read_in_every_environment() {
    for environment in [None, Some("dev"), Some("staging"), Some("production")] {
        let (manifest, diagnostics) = manifest::parse(COMPLETE, environment);
        assert_eq!(render(&diagnostics, COMPLETE), "");
        assert!(manifest.is_some());
    }
}
