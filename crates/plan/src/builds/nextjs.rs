//! Next.js. Built, it is the standalone server (`output: "standalone"` in `next.config`) that needs
//! no `node_modules`; watched, it is Next's own development server, which reloads by itself.

use base::Kind;
use manifest::{Cursor, Field, Syntax};

use super::npm::{install, installed};
use super::{Build, Context, Outcome, PORT, Recipe, run, with_variable};
use crate::Step;

pub(super) const KIND: Kind<dyn Build> =
    Kind { name: "nextjs", about: "a Next.js application", code: &Nextjs };

const FIELDS: &[Field] = &[
    Field::new("path", Syntax::Path, "Directory of `package.json`.")
        .default(".")
        .example("\"api\""),
    super::ALSO,
];

#[derive(Debug)]
struct Nextjs;

#[derive(Debug)]
struct NextjsRecipe {
    path: String,
    also: Vec<String>,
}

impl Build for Nextjs {
    fn fields(&self) -> &'static [Field] {
        FIELDS
    }

    fn programs(&self) -> &'static [&'static str] {
        &["node", "npm"]
    }

    fn read(&self, mut cursor: Cursor<'_>) -> Option<Box<dyn Recipe>> {
        cursor.require_all();
        Some(Box::new(NextjsRecipe {
            path: super::path(&mut cursor),
            also: super::also(&mut cursor),
        }))
    }
}

impl Recipe for NextjsRecipe {
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
        if context.watch { development(context) } else { standalone(context) }
    }
}

/// The entry point of Next's command line inside an installed project.
const NEXT: &str = "node_modules/next/dist/bin/next";

fn development(context: &Context<'_>) -> Outcome {
    let arguments = [NEXT, "dev", "--port", PORT, "--hostname", "127.0.0.1"];
    let command = context.build_command("node", &arguments);
    Outcome {
        units: vec![install(context)],
        command: with_variable(command, "NEXT_TELEMETRY_DISABLED", "1"),
        reloads_itself: true,
    }
}

fn standalone(context: &Context<'_>) -> Outcome {
    let fresh = context.fresh();
    let next = context.directory.join(".next");
    let build = context.build_command("node", &[NEXT, "build"]);
    let mut steps = vec![run(with_variable(build, "NEXT_TELEMETRY_DISABLED", "1"))];
    steps.extend(context.clean());
    steps.push(Step::Copy { from: next.join("standalone"), to: fresh.clone() });
    steps.push(Step::Copy { from: next.join("static"), to: fresh.join(".next/static") });
    let output = context.output();
    let command = context.run_command(context.program("node"), &["server.js"], &output);
    let command = with_variable(command, "NODE_ENV", "production");
    let command = with_variable(command, "HOSTNAME", "127.0.0.1");
    Outcome {
        units: vec![install(context), context.build_unit(vec![installed(context)], steps, fresh)],
        command: with_variable(command, "NEXT_TELEMETRY_DISABLED", "1"),
        reloads_itself: false,
    }
}
