//! `mainstay init`: a manifest from what is in a directory. An existing one is never touched.

use std::fs::OpenOptions;
use std::io::{self, Write as _};

use base::{Severity, Source};
use clap::Args;
use serde_json::json;

use super::Context;
use crate::detect::{self, Found};
use crate::draft;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::output::Style;
use crate::project::{self, MANIFEST};
use crate::text::count;

/// Write a manifest from what is in a directory
#[derive(Args, Debug)]
pub(crate) struct InitArgs {
    /// Print the manifest instead of writing it
    #[arg(long)]
    print: bool,
    /// The application's name; else the directory's
    #[arg(long, value_name = "NAME")]
    app: Option<String>,
    /// Store the secrets found in .env files, as `mainstay secret set` would
    #[arg(long, conflicts_with = "print")]
    import_secrets: bool,
}

/// Runs the command.
pub(crate) fn run(context: &Context, args: &InitArgs) -> Outcome {
    let root = project::directory(context)?;
    let path = root.join(MANIFEST);
    if !args.print && path.symlink_metadata().is_ok() {
        let title = format!("there is a {MANIFEST} already; it is left as it is");
        return Err(Failure::new(Exit::Refused, title)
            .help("run `mainstay init --print` to see what would be written"));
    }
    let search = context.env.passed.get("PATH").map(String::as_str).unwrap_or_default();
    let mut found = detect::detect(&root, search);
    if let Some(app) = &args.app {
        if !manifest::names::is_name(app) {
            let help = manifest::names::as_name(app).map_or_else(
                || "write small letters, digits and hyphens".to_owned(),
                |name| format!("write `--app {name}`"),
            );
            return Err(Failure::new(Exit::Usage, format!("`{app}` is no name")).help(help));
        }
        found.app.clone_from(app);
    }
    let text = draft::draft(&root, &found);
    check_ourselves(&text)?;
    if args.print {
        context.output.text(&text)?;
        return Ok(Exit::Done);
    }
    create(&path, &text)?;
    let stored = if args.import_secrets && !found.secrets.is_empty() {
        super::secret::store(context, &found.secrets)?
    } else {
        0
    };
    tell(context, &found, stored)
}

/// A manifest of ours that `check` refuses is a bug of ours, and not left to the user.
fn check_ourselves(text: &str) -> Result<(), Failure> {
    let (_, diagnostics) = manifest::parse(text, Some("dev"));
    let Some(error) = diagnostics.iter().find(|one| one.severity == Severity::Error) else {
        return Ok(());
    };
    let shown = error.render(Source { name: MANIFEST, text }, false);
    let failure = Failure::new(Exit::Bug, "the manifest made from this directory is not valid");
    Err(shown.lines().fold(failure, Failure::line).help("report it with these lines"))
}

/// Makes the file; one that appeared meanwhile is not overwritten.
fn create(path: &std::path::Path, text: &str) -> Result<(), Failure> {
    let write = || -> io::Result<()> {
        let mut file = OpenOptions::new().write(true).create_new(true).open(path)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()
    };
    write().map_err(|error| {
        Failure::new(Exit::Refused, format!("cannot write `{}`", path.display())).because(&error)
    })
}

fn tell(context: &Context, found: &Found, stored: usize) -> Outcome {
    let out = &context.output;
    let names: Vec<&String> = found.secrets.keys().collect();
    if out.is_json() {
        out.document(&json!({
            "written": MANIFEST,
            "app": found.app,
            "services": found.services.iter().map(|service| &service.name).collect::<Vec<_>>(),
            "databases": found.stores.iter().map(|store| &store.name).collect::<Vec<_>>(),
            "secrets": names,
            "secrets_stored": stored,
            "left_out": found.notes,
        }))?;
        return Ok(Exit::Done);
    }
    for service in &found.services {
        out.line(&format!("  service `{}` from {}", service.name, service.source))?;
    }
    for store in &found.stores {
        out.line(&format!("  {} `{}` from {}", store.engine, store.name, store.source))?;
    }
    for note in &found.notes {
        out.line(
            &out.style(
                Style::Faint,
                &format!("  left out: {}", crate::text::sanitized(note, false)),
            ),
        )?;
    }
    out.line(&format!("wrote {MANIFEST}"))?;
    if 0 < stored {
        out.line(&format!("stored {}", count(stored, "secret", "secrets")))?;
    } else if !names.is_empty() {
        out.line(
            "secrets were found in .env files; their values are not in the manifest. Set each:",
        )?;
        for name in names {
            out.line(&format!("  mainstay secret set {name}"))?;
        }
    }
    out.line("next: read it, then `mainstay check`, then `mainstay up`")?;
    Ok(Exit::Done)
}
