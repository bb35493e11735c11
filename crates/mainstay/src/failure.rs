//! Why a command could not do what it was asked: what was attempted, why it failed, what to do.

use std::error::Error;
use std::io;

use serde_json::json;

use crate::exit::Exit;
use crate::output::{Output, Style};

/// What a command returns: how the program ends, or why it could not be done.
pub(crate) type Outcome = Result<Exit, Failure>;

/// An error as it is shown.
#[derive(Debug)]
pub(crate) enum Failure {
    /// Whoever read our output has gone; there is nobody left to tell.
    ReaderGone,
    /// It was told already, in a better form.
    Said(Exit),
    /// To be told.
    Told(Box<Told>),
}

/// The text of an error.
#[derive(Debug)]
pub(crate) struct Told {
    exit: Exit,
    title: String,
    causes: Vec<String>,
    help: Option<String>,
}

impl Failure {
    /// A failure that is explained by its title: a fragment that fits after "error: ".
    pub(crate) fn new(exit: Exit, title: impl Into<String>) -> Self {
        let title = title.into();
        Self::Told(Box::new(Told { exit, title, causes: Vec::new(), help: None }))
    }

    /// An operation's error with all its causes.
    pub(crate) fn of(exit: Exit, error: &(dyn Error + 'static)) -> Self {
        Self::new(exit, error.to_string()).because_of(error.source())
    }

    /// Adds an error and all its causes.
    pub(crate) fn because(self, error: &(dyn Error + 'static)) -> Self {
        self.because_of(Some(error))
    }

    /// Adds a line below the title.
    pub(crate) fn line(mut self, line: impl Into<String>) -> Self {
        if let Self::Told(told) = &mut self {
            told.causes.push(line.into());
        }
        self
    }

    /// Sets the remedy, an imperative sentence.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        if let Self::Told(told) = &mut self {
            told.help = Some(help.into());
        }
        self
    }

    /// Output could not be written.
    pub(crate) fn output(error: &io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            return Self::ReaderGone;
        }
        Self::new(Exit::No, "cannot write the output").because(error)
    }

    /// Tells the user and says how the program ends.
    pub(crate) fn tell(&self, output: &Output) -> Exit {
        let told = match self {
            Self::ReaderGone => return Exit::Done,
            Self::Said(exit) => return *exit,
            Self::Told(told) => told,
        };
        if output.is_json() {
            let value = json!({ "error": {
                "code": told.exit.code(),
                "title": told.title,
                "causes": told.causes,
                "help": told.help,
            }});
            output.note(&value.to_string());
            return told.exit;
        }
        output.note(&format!("{}: {}", output.error_style(Style::Error, "error"), told.title));
        for cause in &told.causes {
            output.note(&format!("  {cause}"));
        }
        if let Some(help) = &told.help {
            output.note(&format!("{}: {help}", output.error_style(Style::Help, "help")));
        }
        told.exit
    }

    fn because_of(mut self, mut cause: Option<&(dyn Error + 'static)>) -> Self {
        if let Self::Told(told) = &mut self {
            while let Some(error) = cause {
                told.causes.push(error.to_string());
                cause = error.source();
            }
        }
        self
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::output(&error)
    }
}
