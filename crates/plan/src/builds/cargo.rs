//! Rust, by Cargo. Release profile, but for watched sources, where the time to the next try counts.

use base::Kind;
use manifest::{Cursor, Field, Syntax};

use super::{Build, Context, Outcome, Recipe, run};
use crate::Step;

pub(super) const KIND: Kind<dyn Build> =
    Kind { name: "cargo", about: "a Rust binary, built by Cargo", code: &Cargo };

const FIELDS: &[Field] = &[
    Field::new("path", Syntax::Path, "Directory of the package or workspace.")
        .default(".")
        .example("\"api\""),
    Field::new("bin", Syntax::Text, "The binary's name; left out: the service's.")
        .example("\"api\""),
    Field::new(
        "package",
        Syntax::Text,
        "The package in a workspace, when the binary's name is not enough.",
    )
    .example("\"api\""),
    super::ALSO,
];

#[derive(Debug)]
struct Cargo;

#[derive(Debug)]
struct CargoRecipe {
    path: String,
    bin: Option<String>,
    package: Option<String>,
    also: Vec<String>,
}

impl Build for Cargo {
    fn fields(&self) -> &'static [Field] {
        FIELDS
    }

    fn programs(&self) -> &'static [&'static str] {
        &["cargo"]
    }

    fn read(&self, mut cursor: Cursor<'_>) -> Option<Box<dyn Recipe>> {
        cursor.require_all();
        Some(Box::new(CargoRecipe {
            path: super::path(&mut cursor),
            bin: cursor.text("bin").map(|text| text.value),
            package: cursor.text("package").map(|text| text.value),
            also: super::also(&mut cursor),
        }))
    }
}

impl Recipe for CargoRecipe {
    fn path(&self) -> &str {
        &self.path
    }

    fn also(&self) -> Vec<String> {
        self.also.clone()
    }

    fn outcome(&self, context: &Context<'_>) -> Outcome {
        let bin = self.bin.as_deref().unwrap_or(context.service);
        let target = context.directory.join("target");
        let target_text = target.to_string_lossy();
        let mut arguments = vec!["build", "--bin", bin, "--target-dir", &target_text];
        if let Some(package) = &self.package {
            arguments.extend(["--package", package]);
        }
        let profile = if context.watch {
            "debug"
        } else {
            arguments.push("--release");
            "release"
        };
        let fresh = context.fresh();
        let mut steps = vec![run(context.build_command("cargo", &arguments))];
        steps.extend(context.clean());
        steps.push(Step::Copy { from: target.join(profile).join(bin), to: fresh.join(bin) });
        let output = context.output();
        Outcome {
            units: vec![context.build_unit(Vec::new(), steps, fresh)],
            command: context.run_command(output.join(bin), &[], &output),
            reloads_itself: false,
        }
    }
}
