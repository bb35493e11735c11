//! `mainstay secret`: values come in by standard input, a file or a hidden prompt, never by the
//! command line, which other users can read; they never go out again.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, IsTerminal as _, Read, Write as _};
use std::path::{Path, PathBuf};

use base::Secret;
use clap::{Args, Subcommand};
use crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use serde_json::json;
use trust::{LONGEST_VALUE, Secrets, SecretsError};

use super::Context;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::place;

/// Set, list and remove secrets
#[derive(Args, Debug)]
pub(crate) struct SecretArgs {
    #[command(subcommand)]
    action: Action,
}

/// What to do with secrets.
#[derive(Debug, Subcommand)]
enum Action {
    /// Set a value, read from standard input or asked for without showing it
    Set {
        /// Its name: capital letters, digits and underscores
        name: String,
        /// Read the value from FILE
        #[arg(long, value_name = "FILE")]
        from_file: Option<PathBuf>,
    },
    /// List the names
    List {
        /// Also those that Mainstay generated for itself
        #[arg(long)]
        all: bool,
    },
    /// Remove a value
    Unset {
        /// Its name
        name: String,
    },
}

/// Runs the command.
pub(crate) fn run(context: &Context, args: SecretArgs) -> Outcome {
    match args.action {
        Action::Set { name, from_file } => set(context, &name, from_file.as_deref()),
        Action::List { all } => list(context, all),
        Action::Unset { name } => unset(context, &name),
    }
}

/// Stores what was found elsewhere; says how many.
pub(crate) fn store(context: &Context, found: &BTreeMap<String, Secret>) -> Result<usize, Failure> {
    let place = place::of_manifest(context)?;
    place.create()?;
    let secrets = Secrets::open(&place.location.state);
    for (name, value) in found {
        secrets.set(name, value).map_err(|error| refused(&error))?;
    }
    Ok(found.len())
}

fn set(context: &Context, name: &str, file: Option<&Path>) -> Outcome {
    if !trust::is_secret_name(name) {
        return Err(not_a_name(name));
    }
    let place = place::of_manifest(context)?;
    let value = match file {
        Some(path) => {
            let unreadable = |error: &io::Error| {
                Failure::new(Exit::Unreadable, format!("cannot read `{}`", path.display()))
                    .because(error)
            };
            let file = File::open(path).map_err(|error| unreadable(&error))?;
            read(file).map_err(|error| unreadable(&error))?
        }
        None if io::stdin().is_terminal() => ask(name)?,
        None => read(io::stdin().lock()).map_err(|error| {
            Failure::new(Exit::Unreadable, "cannot read standard input").because(&error)
        })?,
    };
    if value.is_empty() {
        return Err(Failure::new(Exit::Usage, "the value is empty")
            .help(format!("run `mainstay secret unset {name}` to remove one")));
    }
    place.create()?;
    let replaced = Secrets::open(&place.location.state)
        .set(name, &Secret::new(value))
        .map_err(|error| refused(&error))?;
    let environment = &place.environment;
    if context.output.is_json() {
        let value = json!({ "name": name, "environment": environment, "replaced": replaced });
        context.output.document(&value)?;
    } else {
        let verb = if replaced { "replaced" } else { "set" };
        context.output.line(&format!("{verb} `{name}` in `{environment}`"))?;
    }
    Ok(Exit::Done)
}

fn list(context: &Context, all: bool) -> Outcome {
    let place = place::of_manifest(context)?;
    let secrets = Secrets::open(&place.location.state);
    let names = secrets.list(all).map_err(|error| refused(&error))?;
    if context.output.is_json() {
        let value = json!({ "environment": place.environment, "names": names });
        context.output.document(&value)?;
        return Ok(Exit::Done);
    }
    if names.is_empty() {
        context.output.note(&format!("no secrets in `{}`", place.environment));
    }
    for name in names {
        context.output.line(&name)?;
    }
    Ok(Exit::Done)
}

fn unset(context: &Context, name: &str) -> Outcome {
    if !trust::is_secret_name(name) && !trust::is_internal(name) {
        return Err(not_a_name(name));
    }
    let place = place::of_manifest(context)?;
    let exists = place.location.state.is_dir();
    let secrets = Secrets::open(&place.location.state);
    let removed = exists && secrets.unset(name).map_err(|error| refused(&error))?;
    if context.output.is_json() {
        let value = json!({ "name": name, "environment": place.environment, "removed": removed });
        context.output.document(&value)?;
    } else if removed {
        context.output.line(&format!("removed `{name}` from `{}`", place.environment))?;
    } else {
        context.output.note(&format!("there is no `{name}` in `{}`", place.environment));
    }
    Ok(if removed { Exit::Done } else { Exit::No })
}

/// All of the input, without the line break that an editor or `echo` put at its end.
fn read(input: impl Read) -> io::Result<String> {
    let mut bytes = Vec::new();
    input.take(LONGEST_VALUE as u64 + 2).read_to_end(&mut bytes)?;
    let mut text = String::from_utf8(bytes).map_err(|_not_utf8| {
        io::Error::new(
            io::ErrorKind::InvalidData,
            "it is not text; encode it first, for example with base64",
        )
    })?;
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    Ok(text)
}

/// Asks without showing what is typed.
fn ask(name: &str) -> Result<String, Failure> {
    let failed = |error: &io::Error| Failure::new(Exit::No, "cannot ask").because(error);
    let mut terminal = io::stderr();
    let prompt = write!(terminal, "{name}: ").and_then(|()| terminal.flush());
    prompt.map_err(|error| failed(&error))?;
    crossterm::terminal::enable_raw_mode().map_err(|error| failed(&error))?;
    let typed = type_hidden();
    let restored = crossterm::terminal::disable_raw_mode();
    // Whoever cannot see the prompt cannot see the line's end either.
    drop(writeln!(terminal));
    restored.map_err(|error| failed(&error))?;
    typed.map_err(|error| failed(&error))?.ok_or(Failure::Said(Exit::Interrupted))
}

fn type_hidden() -> io::Result<Option<String>> {
    let mut text = String::new();
    loop {
        match event::read()? {
            Event::Key(key) if key.kind != KeyEventKind::Release => match key.code {
                KeyCode::Enter => return Ok(Some(text)),
                KeyCode::Char('c' | 'd') if key.modifiers.contains(KeyModifiers::CONTROL) => {
                    return Ok(None);
                }
                KeyCode::Char('u') if key.modifiers.contains(KeyModifiers::CONTROL) => text.clear(),
                KeyCode::Char(c) if text.len() < LONGEST_VALUE => text.push(c),
                KeyCode::Backspace => {
                    text.pop();
                }
                _ => {}
            },
            Event::Paste(pasted) => text.push_str(&pasted),
            _ => {}
        }
    }
}

fn not_a_name(name: &str) -> Failure {
    let shown: String = name.chars().filter(|c| !c.is_control()).take(60).collect();
    Failure::new(Exit::Usage, format!("`{shown}` is not a name for a secret"))
        .help("write capital letters, digits and underscores, such as `JWT_SECRET`; give the value on standard input")
}

/// An error of the file's, with the exit code that fits.
pub(crate) fn refused(error: &SecretsError) -> Failure {
    let (exit, help) = match error {
        SecretsError::Name(_) | SecretsError::TooLong { .. } | SecretsError::ZeroByte(_) => {
            (Exit::Usage, None)
        }
        SecretsError::TooMany => {
            (Exit::Refused, Some("remove some with `mainstay secret unset`".to_owned()))
        }
        SecretsError::Exposed { path, .. } => (
            Exit::Unreadable,
            Some(format!(
                "run `chmod 600 {}`, and change the values if others were here",
                path.display()
            )),
        ),
        SecretsError::Damaged { path, .. } | SecretsError::Format { path, .. } => (
            Exit::Unreadable,
            Some(format!(
                "move `{}` away and set the secrets anew; nothing was changed",
                path.display()
            )),
        ),
        SecretsError::File(_) | SecretsError::Lock { .. } | SecretsError::Random(_) => {
            (Exit::Unreadable, None)
        }
    };
    let failure = Failure::of(exit, error);
    match help {
        Some(help) => failure.help(help),
        None => failure,
    }
}
