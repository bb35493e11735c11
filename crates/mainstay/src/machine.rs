//! What the machine says about a manifest that would run on it.

use base::Diagnostic;
use manifest::Manifest;

use crate::commands::Context;
use crate::failure::Failure;
use crate::project::Project;

/// What only the machine can tell: missing programs, versions, secrets.
pub(crate) fn check(
    _context: &Context,
    _project: &Project,
    _manifest: &Manifest,
) -> Result<Vec<Diagnostic>, Failure> {
    Ok(Vec::new())
}
