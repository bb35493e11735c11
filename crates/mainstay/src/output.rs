//! The only place that prints. Results go to standard output, everything else to standard error;
//! a reader that has gone ends the program quietly; colours only where somebody sees them.

use std::io::{self, IsTerminal as _, Write as _};

use serde::Serialize;

use crate::failure::Failure;

/// Where and how to print.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Output {
    json: bool,
    colour: bool,
    error_colour: bool,
}

/// What a piece of text is, which decides its colour.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Style {
    /// As it should be.
    Good,
    /// Worth a look.
    Warning,
    /// Broken.
    Error,
    /// A remedy.
    Help,
    /// A heading or a name.
    Strong,
    /// Of less interest.
    Faint,
    /// One of six colours that tell services apart.
    Series(usize),
}

impl Style {
    pub(crate) const fn code(self) -> &'static str {
        const SERIES: [&str; 6] =
            ["\x1b[36m", "\x1b[35m", "\x1b[34m", "\x1b[32m", "\x1b[33m", "\x1b[96m"];
        match self {
            Self::Good => "\x1b[32m",
            Self::Warning => "\x1b[33m",
            Self::Error => "\x1b[1;31m",
            Self::Help => "\x1b[1;36m",
            Self::Strong => "\x1b[1m",
            Self::Faint => "\x1b[2m",
            #[expect(clippy::indexing_slicing, reason = "the index is a remainder of the length")]
            Self::Series(number) => SERIES[number % SERIES.len()],
        }
    }
}

impl Output {
    /// Output as the flags and the environment want it.
    pub(crate) fn new(json: bool, colour_allowed: bool) -> Self {
        Self {
            json,
            colour: colour_allowed && !json && io::stdout().is_terminal(),
            error_colour: colour_allowed && !json && io::stderr().is_terminal(),
        }
    }

    /// Whether results are printed as JSON.
    pub(crate) const fn is_json(&self) -> bool {
        self.json
    }

    /// Whether standard output shows colours.
    pub(crate) const fn has_colour(&self) -> bool {
        self.colour
    }

    /// Whether standard output is a terminal, whatever its colours.
    #[expect(clippy::unused_self, reason = "asked of an output, like its other properties")]
    pub(crate) fn is_terminal(&self) -> bool {
        io::stdout().is_terminal()
    }

    /// Whether somebody watches standard output, who could be shown a live view.
    pub(crate) fn is_watched() -> bool {
        io::stdout().is_terminal() && io::stdin().is_terminal()
    }

    /// Prints a result and ends the line.
    pub(crate) fn line(&self, text: &str) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        writeln!(stdout, "{text}")?;
        Ok(stdout.flush()?)
    }

    /// Prints a result as it is.
    pub(crate) fn text(&self, text: &str) -> Result<(), Failure> {
        self.bytes(text.as_bytes())
    }

    /// Prints a result that need not be text for people.
    pub(crate) fn bytes(&self, bytes: &[u8]) -> Result<(), Failure> {
        let mut stdout = io::stdout().lock();
        stdout.write_all(bytes)?;
        Ok(stdout.flush()?)
    }

    /// Prints a result as one JSON document.
    pub(crate) fn document<T: Serialize>(&self, value: &T) -> Result<(), Failure> {
        let text =
            serde_json::to_string_pretty(value).map_err(|error| Failure::output(&error.into()))?;
        self.line(&text)
    }

    /// Prints one of many results as a line of JSON.
    pub(crate) fn record<T: Serialize>(&self, value: &T) -> Result<(), Failure> {
        let text = serde_json::to_string(value).map_err(|error| Failure::output(&error.into()))?;
        self.line(&text)
    }

    /// Tells the user something beside the result.
    pub(crate) fn note(&self, text: &str) {
        // Nobody is left to be told that telling failed.
        drop(writeln!(io::stderr().lock(), "{text}"));
    }

    /// Colours a piece of a result.
    pub(crate) fn style(&self, style: Style, text: &str) -> String {
        paint(self.colour, style, text)
    }

    /// Colours a piece of a note.
    pub(crate) fn error_style(&self, style: Style, text: &str) -> String {
        paint(self.error_colour, style, text)
    }

    /// Whether standard error shows colours.
    pub(crate) const fn has_error_colour(&self) -> bool {
        self.error_colour
    }
}

/// Colours text if wanted.
pub(crate) fn paint(colour: bool, style: Style, text: &str) -> String {
    if colour { format!("{}{text}\x1b[0m", style.code()) } else { text.to_owned() }
}
