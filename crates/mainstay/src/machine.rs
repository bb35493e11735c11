//! What the machine says about a manifest that would run on it: missing programs and versions,
//! secrets without a value, more memory than there is.

use std::sync::Arc;

use base::Diagnostic;
use manifest::{Driver, Manifest};

use crate::commands::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::place::Place;
use crate::processes;
use crate::project::Project;

/// What only the machine can tell. Environments that run elsewhere are not judged by this one.
pub(crate) fn check(
    context: &Context,
    project: &Project,
    manifest: &Manifest,
) -> Result<Vec<Diagnostic>, Failure> {
    if manifest.driver.value != Driver::Process || manifest.environment == manifest::BASE {
        return Ok(Vec::new());
    }
    let place = Place::new(context, &project.directory, &manifest.app, &manifest.environment)?;
    let observed = control::observe(manifest, &place.location, &processes::invoker(context))
        .map_err(|error| Failure::of(Exit::Unreadable, &error))?;
    let (_plan, found) = plan::resolve(&Arc::new(manifest.clone()), &observed);
    Ok(found)
}
