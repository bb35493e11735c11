//! Node services by npm: dependencies by the lock file, an optional build script, a start script.
//!
//! The service runs in its sources' directory, since its `node_modules` is there; watched, a change
//! restarts it.

use std::time::Duration;

use base::Kind;
use manifest::{Cursor, Field, Syntax};

use super::{Build, Context, Outcome, Recipe, run};
use crate::{Done, Step, UnitPlan};

pub(super) const KIND: Kind<dyn Build> =
    Kind { name: "npm", about: "a Node service with a package.json", code: &Npm };

const FIELDS: &[Field] = &[
    Field::new("path", Syntax::Path, "Directory of `package.json`.")
        .default(".")
        .example("\"api\""),
    Field::new("build", Syntax::Text, "The script that builds it; left out: nothing is built.")
        .example("\"build\""),
    Field::new("start", Syntax::Text, "The script that starts it.")
        .example("\"start\"")
        .default("start"),
    super::ALSO,
];

/// A registry that does not answer must not hold a start for ever.
const FETCH_TIMEOUT: Duration = Duration::from_secs(60);

#[derive(Debug)]
struct Npm;

#[derive(Debug)]
struct NpmRecipe {
    path: String,
    build: Option<String>,
    start: String,
    also: Vec<String>,
}

impl Build for Npm {
    fn fields(&self) -> &'static [Field] {
        FIELDS
    }

    fn programs(&self) -> &'static [&'static str] {
        &["node", "npm"]
    }

    fn read(&self, mut cursor: Cursor<'_>) -> Option<Box<dyn Recipe>> {
        cursor.require_all();
        Some(Box::new(NpmRecipe {
            path: super::path(&mut cursor),
            build: cursor.text("build").map(|text| text.value),
            start: cursor.text("start").map_or_else(|| "start".to_owned(), |start| start.value),
            also: super::also(&mut cursor),
        }))
    }
}

impl Recipe for NpmRecipe {
    fn path(&self) -> &str {
        &self.path
    }

    fn also(&self) -> Vec<String> {
        self.also.clone()
    }

    fn locks(&self) -> &'static [&'static str] {
        &["package-lock.json"]
    }

    fn outcome(&self, context: &Context<'_>) -> Outcome {
        let mut units = vec![install(context)];
        if let Some(script) = &self.build {
            let steps = vec![run(context.build_command("npm", &["run", "--silent", script]))];
            let done = Done { exists: None, digest: Some(context.digest.sources.clone()) };
            units.push(context.prepare(
                ("build", "building"),
                vec![installed(context)],
                steps,
                done,
            ));
        }
        let mut command = context.run_command(
            context.program("npm"),
            &["run", "--silent", &self.start],
            &context.directory,
        );
        let digest = context.digest.sources.clone();
        // Nothing else in the command changes with the sources, and a change must start it anew.
        command.environment.insert("MAINSTAY_SOURCES".to_owned(), crate::Template::text(digest));
        Outcome { units, command, reloads_itself: false }
    }
}

/// The unit that fetches what the lock file names.
pub(super) fn install(context: &Context<'_>) -> UnitPlan {
    let timeout = format!("--fetch-timeout={}", FETCH_TIMEOUT.as_millis());
    let arguments = ["ci", "--no-audit", "--no-fund", "--loglevel=error", &timeout];
    let steps: Vec<Step> = vec![run(context.build_command("npm", &arguments))];
    context.install_unit(steps, context.directory.join("node_modules/.package-lock.json"))
}

/// The id of that unit.
pub(super) fn installed(context: &Context<'_>) -> String {
    format!("{}/install", context.service)
}
