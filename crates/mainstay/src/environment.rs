//! Which environment is meant: `--env`, else `MAINSTAY_ENV`, else the only one that runs, else
//! `dev`.

use manifest::Document;

use crate::commands::Context;
use crate::exit::Exit;
use crate::failure::Failure;

/// What holds when nobody says anything.
pub(crate) const DEFAULT: &str = "dev";

/// The environment that was asked for, by flag or variable.
pub(crate) fn asked(context: &Context) -> Result<Option<String>, Failure> {
    let (name, source) = match (&context.globals.env, &context.env.environment) {
        (Some(name), _) => (name, "--env"),
        (None, Some(name)) => (name, "MAINSTAY_ENV"),
        (None, None) => return Ok(None),
    };
    if manifest::names::is_name(name) {
        return Ok(Some(name.clone()));
    }
    let shown: String = name.chars().filter(|c| !c.is_control()).take(60).collect();
    let title = format!("{source} is `{shown}`, which is no name of an environment");
    Err(Failure::new(Exit::Usage, title)
        .help("write small letters, digits and hyphens, such as `production`"))
}

/// For what only concerns the manifest: the one asked for, which must exist, else `dev`.
pub(crate) fn of_manifest(context: &Context, document: &Document) -> Result<String, Failure> {
    let name = asked(context)?.unwrap_or_else(|| DEFAULT.to_owned());
    named(document, &name)?;
    Ok(name)
}

/// An environment by name; `None` for the base.
pub(crate) fn named(document: &Document, name: &str) -> Result<Option<String>, Failure> {
    if name == manifest::BASE {
        return Ok(None);
    }
    let known: Vec<&str> = document.environments().collect();
    if name == DEFAULT || known.contains(&name) {
        return Ok(Some(name.to_owned()));
    }
    let shown: String = name.chars().filter(|c| !c.is_control()).take(60).collect();
    let none = format!("add `[env.{shown}]` to the manifest; without any there is only `dev`");
    Err(Failure::new(Exit::Usage, format!("there is no environment `{shown}`"))
        .help(manifest::names::remedy(name, &known, &none)))
}
