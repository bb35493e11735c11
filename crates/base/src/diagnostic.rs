//! A user's mistake: what, where, and what to do about it.
//!
//! Diagnostics are collected and shown together; none stops the reading of the rest. The text
//! looks like rustc's, because that form is known to help: message, place, the line itself with
//! every place marked, a remedy.

use std::fmt::Write as _;

use unicode_width::UnicodeWidthStr as _;

use crate::Span;

/// How bad it is.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Severity {
    /// Nothing is done until it is mended.
    Error,
    /// Works, but probably not as meant.
    Warning,
}

/// A marked piece of the source and what is to be said of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Place {
    /// Where.
    pub span: Span,
    /// A few words beside the mark; may be empty.
    pub label: String,
}

/// One mistake in what the user wrote.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Diagnostic {
    /// Stable, kebab-case, for tests and documentation: `unknown-key`.
    pub code: &'static str,
    /// Error or warning.
    pub severity: Severity,
    /// A lowercase fragment without a full stop; names and values in backquotes.
    pub message: String,
    /// The primary place first; empty when the mistake is not in the text.
    pub places: Vec<Place>,
    /// An imperative sentence that mends it.
    pub help: Option<String>,
}

/// The text that diagnostics point into.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// The file's name as the user knows it.
    pub name: &'a str,
    /// Its content.
    pub text: &'a str,
}

impl Diagnostic {
    /// An error without a place yet.
    pub fn error(code: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            severity: Severity::Error,
            message: message.into(),
            places: Vec::new(),
            help: None,
        }
    }

    /// A warning without a place yet.
    pub fn warning(code: &'static str, message: impl Into<String>) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, message) }
    }

    /// Adds a place; the first one added is the primary.
    #[must_use]
    pub fn at(mut self, span: Span, label: impl Into<String>) -> Self {
        self.places.push(Place { span, label: label.into() });
        self
    }

    /// Sets the remedy.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// Writes it as text for people, with ANSI colours when `colour` is set.
    #[must_use]
    pub fn render(&self, source: Source<'_>, colour: bool) -> String {
        let paint = Paint { colour };
        let (word, style) = match self.severity {
            Severity::Error => ("error", "\x1b[1;31m"),
            Severity::Warning => ("warning", "\x1b[1;33m"),
        };
        let message = paint.style("\x1b[1m", &visible(&self.message));
        let mut out = format!("{}: {message}\n", paint.style(style, word));
        let marks: Vec<Mark<'_>> =
            self.places.iter().map(|place| Mark::locate(source.text, place)).collect();
        let gutter = marks.iter().map(|mark| mark.line).max().unwrap_or(0).to_string().len();
        if let Some(primary) = marks.first() {
            let bar = paint.style("\x1b[1;34m", "|");
            let arrow = paint.style("\x1b[1;34m", "-->");
            let place = format!("{}:{}:{}", source.name, primary.line, primary.column);
            let _infallible = writeln!(out, "{:gutter$}{arrow} {place}\n{:gutter$} {bar}", "", "");
            write_marks(&mut out, &marks, gutter, &paint);
        }
        if let Some(help) = &self.help {
            let note = paint.style("\x1b[1;36m", "= help:");
            let _infallible = writeln!(out, "{:gutter$} {note} {}", "", visible(help));
        }
        out
    }
}

/// A place turned into line, columns and the line's text.
struct Mark<'a> {
    line: usize,
    column: usize,
    text: &'a str,
    before: usize,
    width: usize,
    label: &'a str,
}

impl<'a> Mark<'a> {
    fn locate(text: &'a str, place: &'a Place) -> Self {
        let start = floor_boundary(text, place.span.start.min(text.len()));
        let end = floor_boundary(text, place.span.end.clamp(start, text.len()));
        let (head, tail) = text.split_at(start);
        let line_start = head.rfind('\n').map_or(0, |newline| newline + 1);
        let before = head.get(line_start..).unwrap_or_default();
        let rest = tail.split(['\n', '\r']).next().unwrap_or_default();
        let marked = rest.get(..(end - start).min(rest.len())).unwrap_or(rest);
        let line_end = line_start + before.len() + rest.len();
        Self {
            line: head.matches('\n').count() + 1,
            column: before.chars().count() + 1,
            text: text.get(line_start..line_end).unwrap_or_default(),
            before: before.replace('\t', "    ").width(),
            width: marked.replace('\t', "    ").width().max(1),
            label: &place.label,
        }
    }
}

fn floor_boundary(text: &str, mut offset: usize) -> usize {
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

/// What the user's file holds must not move the cursor of the terminal that shows it.
fn visible(text: &str) -> String {
    text.replace(|c: char| c.is_control() && c != '\n', "\u{fffd}")
}

/// Lines longer than this are cut, so that one long line cannot bury the message.
const LONGEST_LINE: usize = 160;

fn write_marks(out: &mut String, marks: &[Mark<'_>], gutter: usize, paint: &Paint) {
    let bar = paint.style("\x1b[1;34m", "|");
    let mut order: Vec<(usize, &Mark<'_>)> = marks.iter().enumerate().collect();
    order.sort_by_key(|(index, mark)| (mark.line, *index));
    let mut last_line = None;
    for (index, mark) in order {
        if last_line != Some(mark.line) {
            if last_line.is_some_and(|last| last + 1 < mark.line) {
                let _infallible = writeln!(out, "{}", paint.style("\x1b[1;34m", "..."));
            }
            let text = visible(&mark.text.replace('\t', "    "));
            let text: String = text.chars().take(LONGEST_LINE).collect();
            let number = paint.style("\x1b[1;34m", &format!("{:>gutter$}", mark.line));
            let _infallible = writeln!(out, "{number} {bar} {text}");
        }
        last_line = Some(mark.line);
        let (sign, style) = if index == 0 { ("^", "\x1b[1;31m") } else { ("-", "\x1b[1;34m") };
        let before = mark.before.min(LONGEST_LINE);
        let sign = sign.repeat(mark.width.min(LONGEST_LINE));
        let marked = paint.style(style, format!("{sign} {}", mark.label).trim_end());
        let _infallible = writeln!(out, "{:gutter$} {bar} {:before$}{marked}", "", "");
    }
}

struct Paint {
    colour: bool,
}

impl Paint {
    fn style(&self, code: &str, text: &str) -> String {
        if self.colour { format!("{code}{text}\x1b[0m") } else { text.to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_places_are_marked_under_their_lines() {
        let text = "a = 1\npool = 20\n\n\nmax = 6\n";
        let diagnostic = Diagnostic::error("too-many", "6 x 20 = 120, but `db` allows 100")
            .at(Span::new(13, 15), "each instance")
            .at(Span::new(24, 25), "at most")
            .help("lower one");
        assert_eq!(
            diagnostic.render(Source { name: "mainstay.toml", text }, false),
            "error: 6 x 20 = 120, but `db` allows 100\n \
             --> mainstay.toml:2:8\n  |\n2 | pool = 20\n  |        ^^ each instance\n...\n\
             5 | max = 6\n  |       - at most\n  = help: lower one\n"
        );
    }

    #[test]
    fn control_characters_of_the_file_do_not_reach_the_terminal() {
        let text = "a = \"\x1b[2J\"\n";
        let diagnostic = Diagnostic::error("odd", "odd \x07 `\x1b`").at(Span::new(0, 1), "");
        let rendered = diagnostic.help("\x1b[1m").render(Source { name: "m", text }, false);
        assert!(!rendered.contains(['\x1b', '\x07']), "{rendered:?}");
    }

    #[test]
    fn a_span_outside_the_text_or_inside_a_character_does_not_panic() {
        for (start, end) in [(0, 99), (99, 0), (1, 2), (50, 60)] {
            let diagnostic = Diagnostic::warning("odd", "odd").at(Span::new(start, end), "");
            assert!(diagnostic.render(Source { name: "m", text: "é\n" }, true).contains("odd"));
        }
    }
}
