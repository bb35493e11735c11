//! The catalogue of build kinds. An entry says, in data, how sources become something to run.
//!
//! What is built is copied out of the project into a directory named by the digest of its sources:
//! a rebuild never touches what runs, an unchanged service is never rebuilt, and the copy is where
//! an unprivileged user can read it.

mod cargo;
mod command;
mod maven;
mod nextjs;
mod npm;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base::{Diagnostic, Kind};
use manifest::{Cursor, Field, Syntax};

use crate::{
    CommandPlan, Done, JobPlan, LimitsPlan, Observed, SourceDigest, Step, Template, UnitPlan, Work,
};

/// Every build kind.
pub static ALL: &[Kind<dyn Build>] =
    &[cargo::KIND, nextjs::KIND, npm::KIND, maven::KIND, command::KIND];

/// What Mainstay must know about a way to build.
pub trait Build: Sync {
    /// Its own keys in `build = { kind = "...", ... }`.
    fn fields(&self) -> &'static [Field];

    /// The programs it needs, such as `cargo`, by name.
    fn programs(&self) -> &'static [&'static str];

    /// Reads its own keys.
    fn read(&self, cursor: Cursor<'_>) -> Option<Box<dyn Recipe>>;
}

/// A build kind with the user's values in it.
pub trait Recipe: std::fmt::Debug + Send + Sync {
    /// The directory of the sources, relative to the manifest.
    fn path(&self) -> &str;

    /// Other files and directories that the result depends on, relative to the manifest.
    fn also(&self) -> Vec<String> {
        Vec::new()
    }

    /// Files whose change means that dependencies must be fetched anew, relative to `path`.
    fn locks(&self) -> &'static [&'static str] {
        &[]
    }

    /// How it is built and run.
    fn outcome(&self, context: &Context<'_>) -> Outcome;
}

/// Other paths that a result depends on: every kind has them.
const ALSO: Field = Field::new(
    "also",
    Syntax::List(&Syntax::Path),
    "Other files and directories the result depends on, relative to the manifest.",
)
.example("[\"shared\"]");

fn path(cursor: &mut Cursor<'_>) -> String {
    cursor.file("path").map_or_else(|| ".".to_owned(), |path| path.value)
}

fn also(cursor: &mut Cursor<'_>) -> Vec<String> {
    cursor.list("also", manifest::forms::relative_path).into_iter().map(|path| path.value).collect()
}

/// What a recipe is given to describe one service.
#[derive(Debug)]
pub struct Context<'a> {
    /// The service's name.
    pub service: &'a str,
    /// What was seen.
    pub observed: &'a Observed,
    /// The digest of the sources.
    pub digest: &'a SourceDigest,
    /// Whether sources are watched.
    pub watch: bool,
    /// The directory of the sources, absolute.
    pub directory: PathBuf,
}

/// Stands in arguments for the port of each instance, for tools that do not read `PORT`.
pub const PORT: &str = "{PORT}";

/// How a service is built and run.
#[derive(Debug)]
pub struct Outcome {
    /// In order; each after those it needs.
    pub units: Vec<UnitPlan>,
    /// How an instance is started; `{PORT}` in arguments is replaced.
    pub command: CommandPlan,
    /// Whether a change of the sources reaches the running instance by itself.
    pub reloads_itself: bool,
}

impl Context<'_> {
    /// Where the result of this digest is.
    fn output(&self) -> PathBuf {
        let digest: String = self.digest.sources.chars().take(16).collect();
        let profile = if self.watch { "dev" } else { "release" };
        self.observed
            .paths
            .state
            .join("builds")
            .join(self.service)
            .join(format!("{profile}-{digest}"))
    }

    fn program(&self, name: &str) -> PathBuf {
        self.observed.machine.programs.get(name).cloned().unwrap_or_else(|| PathBuf::from(name))
    }

    /// A command of the build, run as the one who builds, in the directory of the sources.
    fn build_command(&self, program: &str, arguments: &[&str]) -> CommandPlan {
        CommandPlan {
            program: self.program(program),
            arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
            environment: self
                .observed
                .build_environment
                .iter()
                .map(|(name, value)| (name.clone(), Template::text(value)))
                .collect(),
            directory: self.directory.clone(),
            user: self.observed.users.builds.clone(),
        }
    }

    /// The unit that builds once per digest: the steps must end by making `output` whole.
    fn build_unit(&self, needs: Vec<String>, mut steps: Vec<Step>, fresh: PathBuf) -> UnitPlan {
        let output = self.output();
        steps.push(Step::Rename { from: fresh, to: output.clone() });
        self.prepare(
            ("build", "building"),
            needs,
            steps,
            Done { exists: Some(output), digest: None },
        )
    }

    /// The unit that fetches dependencies once per lock file.
    fn install_unit(&self, steps: Vec<Step>, exists: PathBuf) -> UnitPlan {
        let digest = Some(self.digest.dependencies.clone());
        let done = Done { exists: Some(exists), digest };
        self.prepare(("install", "installing"), Vec::new(), steps, done)
    }

    fn prepare(
        &self,
        (verb, activity): (&str, &str),
        needs: Vec<String>,
        steps: Vec<Step>,
        done: Done,
    ) -> UnitPlan {
        let id = format!("{}/{verb}", self.service);
        UnitPlan {
            id: id.clone(),
            node: self.service.to_owned(),
            activity: activity.to_owned(),
            needs,
            work: Work::Prepare {
                job: JobPlan {
                    id,
                    service: self.service.to_owned(),
                    steps,
                    deadline: Duration::from_secs(3_600),
                },
                done,
            },
        }
    }

    /// Where the result is put together before it is renamed to `output`.
    fn fresh(&self) -> PathBuf {
        self.output().with_extension("new")
    }

    /// Removes what an interrupted build left and makes the directory anew.
    fn clean(&self) -> Vec<Step> {
        let fresh = self.fresh();
        vec![
            Step::Remove { path: fresh.clone() },
            Step::Directory { path: fresh, mode: 0o755, owner: None },
        ]
    }

    /// A command that runs a result as the user of services.
    fn run_command(&self, program: PathBuf, arguments: &[&str], directory: &Path) -> CommandPlan {
        CommandPlan {
            program,
            arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
            environment: BTreeMap::new(),
            directory: directory.to_owned(),
            user: self.observed.users.services.clone(),
        }
    }
}

fn run(command: CommandPlan) -> Step {
    Step::Run { command, input: None, limits: LimitsPlan::default() }
}

fn with_variable(mut command: CommandPlan, name: &str, value: &str) -> CommandPlan {
    command.environment.insert(name.to_owned(), Template::text(value));
    command
}

/// Refuses a kind that is in no catalogue, naming the nearest.
pub fn unknown_kind(kind: &base::Spanned<String>) -> Diagnostic {
    let known: Vec<&str> = ALL.iter().map(|kind| kind.name).collect();
    Diagnostic::error("unknown-build-kind", format!("no build kind is called `{}`", kind.value))
        .at(kind.span, "unknown kind")
        .help(format!("use one of {}", known.join(", ")))
}
