//! Where the application that a command means is on this machine.

use std::fs::File;
use std::io::Read as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use control::{Location, LocationError, Surroundings};
use manifest::Document;
use rustix::fs::{Access, FlockOperation};

use crate::commands::Context;
use crate::environment;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::project::{self, Project};

/// One environment of one application, here.
#[derive(Clone, Debug)]
pub(crate) struct Place {
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
        Ok(Self { environment: environment.to_owned(), location })
    }

    /// Whether its directories could be made; nothing is.
    pub(crate) fn require_usable(&self) -> Result<(), Failure> {
        for path in [&self.location.state, &self.location.runtime] {
            let Some(nearest) = path.ancestors().find(|above| above.exists()) else { continue };
            let fail = |source: std::io::Error| {
                unusable(&LocationError::Directory { path: nearest.to_owned(), source })
            };
            if !nearest.is_dir() {
                return Err(fail(std::io::ErrorKind::NotADirectory.into()));
            }
            let wanted = Access::WRITE_OK | Access::EXEC_OK;
            rustix::fs::access(nearest, wanted).map_err(|error| fail(error.into()))?;
        }
        Ok(())
    }

    /// Makes its directories.
    pub(crate) fn create(&self) -> Result<(), Failure> {
        self.location.create(&self.environment).map_err(|error| unusable(&error))
    }

    /// The supervisor that runs it, if one does; 0 when it does not say who it is.
    pub(crate) fn supervisor(&self) -> Option<u32> {
        running(&self.location)
    }

    /// Keeps everybody from starting here until it is dropped; fails when somebody runs.
    ///
    /// The file keeps naming nobody who lives, so that an `up` waits a moment instead of giving up.
    pub(crate) fn lock(&self) -> Result<File, Failure> {
        let path = self.location.state.join("lock");
        let fail = |error: &std::io::Error| {
            Failure::new(Exit::No, format!("cannot lock `{}`", path.display())).because(error)
        };
        let mut options = File::options();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(&path).map_err(|error| fail(&error))?;
        match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => Ok(file),
            Err(rustix::io::Errno::WOULDBLOCK) => {
                let title = format!("somebody started `{}` meanwhile", self.environment);
                Err(Failure::new(Exit::TryAgain, title)
                    .help("nothing was deleted; run the command again"))
            }
            Err(error) => Err(fail(&error.into())),
        }
    }

    /// Fails when nothing runs here.
    pub(crate) fn require_running(&self) -> Result<(), Failure> {
        if self.supervisor().is_some() {
            return Ok(());
        }
        let title = format!("nothing runs in `{}`", self.environment);
        Err(Failure::new(Exit::Unavailable, title).help("run `mainstay up`"))
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

/// The place of the environment that was asked for, else of the only one that runs, else of `dev`.
/// The manifest may be full of mistakes: what was brought up from an earlier one must be found.
pub(crate) fn of_running(context: &Context) -> Result<Place, Failure> {
    let directory = project::find(context)?;
    let known = Location::known(&directory);
    let asked = environment::asked(context)?;
    let environment = match asked {
        Some(name) => name,
        None => {
            let mut up = known.iter().filter(|(_, location)| running(location).is_some());
            match (up.next(), up.next()) {
                (Some((one, _)), Some((other, _))) => {
                    let title =
                        format!("`{one}` and `{other}` run, and it is not said which is meant");
                    return Err(Failure::new(Exit::Usage, title).help(format!("add `--env {one}`")));
                }
                (Some((only, _)), None) => only.clone(),
                (None, _) => environment::DEFAULT.to_owned(),
            }
        }
    };
    let noted = known.into_iter().find(|(name, _)| *name == environment);
    if let (Some((_, location)), None) = (noted, &context.globals.state) {
        return Ok(Place { environment, location });
    }
    let project = Project::read(context)?;
    Place::new(context, &directory, &app(&Document::parse(&project.text)), &environment)
}

/// The application's name, if the manifest says it; it only tells directories apart.
fn app(document: &Document) -> String {
    let answer = document.why("app", None).ok().and_then(|answer| answer.value);
    let name = answer.map(|value| value.trim_matches('"').to_owned());
    name.filter(|name| manifest::names::is_name(name)).unwrap_or_else(|| "app".to_owned())
}

/// Whoever runs holds the lock of the state directory, and wrote down who it is.
fn running(location: &Location) -> Option<u32> {
    let mut file = File::open(location.state.join("lock")).ok()?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared) {
        Err(rustix::io::Errno::WOULDBLOCK) => {}
        _ => return None,
    }
    let mut text = String::new();
    // The lock is what counts; who holds it is only for the message.
    drop(file.by_ref().take(20).read_to_string(&mut text));
    Some(text.trim().parse().unwrap_or(0))
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
