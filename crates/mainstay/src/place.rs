//! Where the application that a command means is on this machine.

use std::path::Path;

use control::{Location, LocationError, Surroundings};
use manifest::Document;

use crate::commands::Context;
use crate::environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::project::Project;

/// One environment of one application, here.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// The application's name.
    pub(crate) app: String,
    /// The environment.
    pub(crate) environment: String,
    /// Where its state and sockets are.
    pub(crate) location: Location,
}

impl Place {
    /// The place of an environment of a manifest; nothing is made.
    pub(crate) fn new(
        context: &Context,
        project: &Path,
        app: &str,
        environment: &str,
    ) -> Result<Self, Failure> {
        let surroundings = Surroundings {
            state: context.globals.state.clone(),
            runtime: context.env.runtime.clone(),
        };
        let location = Location::of(project, app, environment, &surroundings)
            .map_err(|error| unusable(&error))?;
        let (app, environment) = (app.to_owned(), environment.to_owned());
        Ok(Self { app, environment, location })
    }

    /// Makes its directories.
    pub(crate) fn create(&self) -> Result<(), Failure> {
        self.location.create(&self.environment).map_err(|error| unusable(&error))
    }
}

/// The place of the environment that was asked for, else `dev`; the manifest must be readable but
/// need not be free of mistakes.
pub(crate) fn of_manifest(context: &Context) -> Result<Place, Failure> {
    let project = Project::read(context)?;
    let document = Document::parse(&project.text);
    crate::commands::check::require_readable(context, &project, &document)?;
    let environment = environment::of_manifest(context, &document)?;
    Place::new(context, &project.directory, &app(&document), &environment)
}

/// The application's name, if the manifest says it; it only tells directories apart.
pub(crate) fn app(document: &Document) -> String {
    let answer = document.why("app", None).ok().and_then(|answer| answer.value);
    let name = answer.map(|value| value.trim_matches('"').to_owned());
    name.filter(|name| manifest::names::is_name(name)).unwrap_or_else(|| "app".to_owned())
}

fn unusable(error: &LocationError) -> Failure {
    let failure = Failure::of(Exit::Refused, error);
    match error {
        LocationError::Foreign { .. } => {
            failure.help("use a directory of your own with `--state DIR`, or become the owner")
        }
        LocationError::Directory { .. } | LocationError::Note(_) => {
            failure.help("make it writable, or name another one with `--state DIR`")
        }
    }
}
