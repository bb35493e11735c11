//! Java by Maven: `package` makes a runnable jar.

use base::Kind;
use manifest::{Cursor, Field, Syntax};

use super::{Build, Context, Outcome, Recipe, run};
use crate::Step;

pub(super) const KIND: Kind<dyn Build> =
    Kind { name: "maven", about: "a runnable jar, built by Maven", code: &Maven };

const FIELDS: &[Field] = &[
    Field::new("path", Syntax::Path, "Directory of `pom.xml`.").default(".").example("\"api\""),
    Field::new("jar", Syntax::Path, "The runnable jar, relative to `path`: `target/app.jar`.")
        .example("\"target/app.jar\"")
        .required(),
    super::ALSO,
];

#[derive(Debug)]
struct Maven;

#[derive(Debug)]
struct MavenRecipe {
    path: String,
    jar: String,
    also: Vec<String>,
}

impl Build for Maven {
    fn fields(&self) -> &'static [Field] {
        FIELDS
    }

    fn programs(&self) -> &'static [&'static str] {
        &["mvn", "java"]
    }

    fn read(&self, mut cursor: Cursor<'_>) -> Option<Box<dyn Recipe>> {
        cursor.require_all();
        Some(Box::new(MavenRecipe {
            path: super::path(&mut cursor),
            jar: cursor.file("jar")?.value,
            also: super::also(&mut cursor),
        }))
    }
}

impl Recipe for MavenRecipe {
    fn path(&self) -> &str {
        &self.path
    }

    fn also(&self) -> Vec<String> {
        self.also.clone()
    }

    fn outcome(&self, context: &Context<'_>) -> Outcome {
        let arguments = ["--batch-mode", "--quiet", "-DskipTests", "package"];
        let fresh = context.fresh();
        let mut steps = vec![run(context.build_command("mvn", &arguments))];
        steps.extend(context.clean());
        steps.push(Step::Copy {
            from: context.directory.join(&self.jar),
            to: fresh.join("app.jar"),
        });
        let output = context.output();
        Outcome {
            units: vec![context.build_unit(Vec::new(), steps, fresh)],
            command: context.run_command(context.program("java"), &["-jar", "app.jar"], &output),
            reloads_itself: false,
        }
    }
}
