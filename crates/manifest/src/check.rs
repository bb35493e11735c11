//! What sections say against each other.
//!
//! Each check is a function of its own over the whole manifest; it names both places. What needs
//! the machine (versions, files, memory) is asked elsewhere.

use base::Diagnostic;

use crate::manifest::Manifest;

/// Runs every check.
pub(crate) fn check(_manifest: &Manifest, _diagnostics: &mut Vec<Diagnostic>) {}
