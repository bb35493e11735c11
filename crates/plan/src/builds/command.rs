//! Anything else: a command line that builds, and the files it leaves that are to be run.

use base::Kind;
use manifest::{Cursor, Field, Syntax};

use super::{Build, Context, Outcome, Recipe, run};
use crate::Step;

pub(super) const KIND: Kind<dyn Build> = Kind {
    name: "command",
    about: "any command line that leaves something to run",
    code: &Command,
};

const FIELDS: &[Field] = &[
    Field::new("path", Syntax::Path, "Directory of the sources.").default(".").example("\"api\""),
    Field::new("run", Syntax::Text, "The command line that builds, given to `sh`.")
        .example("\"make release\"")
        .required(),
    Field::new("output", Syntax::Path, "The file or directory it leaves, relative to `path`.")
        .example("\"out/server\"")
        .required(),
    super::ALSO,
];

#[derive(Debug)]
struct Command;

#[derive(Debug)]
struct CommandRecipe {
    path: String,
    run: String,
    output: String,
    also: Vec<String>,
}

impl Build for Command {
    fn fields(&self) -> &'static [Field] {
        FIELDS
    }

    fn programs(&self) -> &'static [&'static str] {
        &["sh"]
    }

    fn read(&self, mut cursor: Cursor<'_>) -> Option<Box<dyn Recipe>> {
        cursor.require_all();
        Some(Box::new(CommandRecipe {
            path: super::path(&mut cursor),
            run: cursor.text("run")?.value,
            output: cursor.file("output")?.value,
            also: super::also(&mut cursor),
        }))
    }
}

impl Recipe for CommandRecipe {
    fn path(&self) -> &str {
        &self.path
    }

    fn also(&self) -> Vec<String> {
        self.also.clone()
    }

    fn outcome(&self, context: &Context<'_>) -> Outcome {
        let fresh = context.fresh();
        let name = self.output.rsplit('/').next().unwrap_or(&self.output);
        let mut steps = vec![run(context.build_command("sh", &["-c", &self.run]))];
        steps.extend(context.clean());
        steps.push(Step::Copy { from: context.directory.join(&self.output), to: fresh.join(name) });
        let output = context.output();
        Outcome {
            units: vec![context.build_unit(Vec::new(), steps, fresh)],
            command: context.run_command(output.join(name), &[], &output),
            reloads_itself: false,
        }
    }
}
