//! The file as a tree in which every key and every value knows its place.
//!
//! The TOML reader's own tree is converted once, so that overlays can be merged into it, entries
//! keep the order of the file, and nothing else here depends on that reader. Limits are enforced
//! here: what passes is at most a megabyte of text nested at most 32 levels deep.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use base::{Diagnostic, Span};
use toml::de::{DeTable, DeValue};

/// Larger files are refused unread; a manifest of a thousand services is a tenth of this.
pub const LONGEST_TEXT: usize = 1 << 20;

const DEEPEST: usize = 32;

/// A value, where it stands, and which part of the file gave it.
#[derive(Clone, Debug)]
pub struct Node {
    /// What was written.
    pub value: Value,
    /// Where the value stands; the header for a table that has one.
    pub span: Span,
    /// Where its key stands; the value's own place for an element of a list.
    pub key_span: Span,
    /// Which part of the file it comes from.
    pub origin: Origin,
}

/// What can stand on the right of a key.
#[derive(Clone, Debug)]
pub enum Value {
    /// Quoted text.
    Text(String),
    /// A whole number.
    Integer(i64),
    /// A number with a point.
    Float(f64),
    /// `true` or `false`.
    Boolean(bool),
    /// A date or a time, which no key of the manifest takes.
    Moment(String),
    /// Values in brackets.
    List(Vec<Node>),
    /// Keys and values.
    Table(Table),
}

/// Which part of the file a value comes from.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Origin {
    /// Outside every environment.
    Base,
    /// Under `[env.NAME]`.
    Environment(Arc<str>),
}

/// Keys and values in the order of the file.
#[derive(Clone, Debug, Default)]
pub struct Table {
    entries: Vec<(String, Node)>,
}

impl Table {
    /// The node behind a key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries.iter().find(|(name, _)| name == key).map(|(_, node)| node)
    }

    /// Every key and node, in the order of the file.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Node)> {
        self.entries.iter().map(|(key, node)| (key.as_str(), node))
    }

    /// Whether there is nothing in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    pub(crate) fn push(&mut self, key: String, node: Node) {
        self.entries.push((key, node));
    }

    pub(crate) fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        self.entries.iter_mut().find(|(name, _)| name == key).map(|(_, node)| node)
    }

    pub(crate) fn remove(&mut self, key: &str) -> Option<Node> {
        let at = self.entries.iter().position(|(name, _)| name == key)?;
        Some(self.entries.remove(at).1)
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (&str, &mut Node)> {
        self.entries.iter_mut().map(|(key, node)| (key.as_str(), node))
    }

    pub(crate) fn into_entries(self) -> Vec<(String, Node)> {
        self.entries
    }

    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&str) -> bool) {
        self.entries.retain(|(key, _)| keep(key));
    }

    /// The nodes by key, for merging without quadratic time.
    pub(crate) fn index(&self) -> HashMap<String, usize> {
        self.entries.iter().enumerate().map(|(at, (key, _))| (key.clone(), at)).collect()
    }

    pub(crate) fn at_mut(&mut self, at: usize) -> Option<&mut Node> {
        self.entries.get_mut(at).map(|(_, node)| node)
    }
}

impl Value {
    /// How many values there are in it, itself included.
    pub(crate) fn count(&self) -> usize {
        match self {
            Self::List(items) => 1 + items.iter().map(|node| node.value.count()).sum::<usize>(),
            Self::Table(table) => {
                1 + table.entries.iter().map(|(_, node)| node.value.count()).sum::<usize>()
            }
            _ => 1,
        }
    }

    /// What it is, for messages: "text", "a list".
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Integer(_) => "a whole number",
            Self::Float(_) => "a number with a point",
            Self::Boolean(_) => "`true` or `false`",
            Self::Moment(_) => "a date or time",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}

impl fmt::Display for Value {
    /// Writes the value as TOML on one line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "{text:?}"),
            Self::Integer(number) => write!(f, "{number}"),
            Self::Float(number) => write!(f, "{number}"),
            Self::Boolean(truth) => write!(f, "{truth}"),
            Self::Moment(text) => f.write_str(text),
            Self::List(items) => {
                f.write_str("[")?;
                for (index, item) in items.iter().enumerate() {
                    write!(f, "{}{}", if index == 0 { "" } else { ", " }, item.value)?;
                }
                f.write_str("]")
            }
            Self::Table(table) if table.is_empty() => f.write_str("{}"),
            Self::Table(table) => {
                f.write_str("{ ")?;
                for (index, (key, node)) in table.iter().enumerate() {
                    let comma = if index == 0 { "" } else { ", " };
                    write!(f, "{comma}{} = {}", Key(key), node.value)?;
                }
                f.write_str(" }")
            }
        }
    }
}

/// A key as it must be written: bare where TOML allows it, else quoted.
pub(crate) struct Key<'a>(pub(crate) &'a str);

impl fmt::Display for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bare = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
        if !self.0.is_empty() && self.0.bytes().all(bare) {
            f.write_str(self.0)
        } else {
            write!(f, "{:?}", self.0)
        }
    }
}

/// Reads the text; what could be read of a broken file comes back beside its mistakes.
pub(crate) fn read(source: &str) -> (Table, Vec<Diagnostic>) {
    if LONGEST_TEXT < source.len() {
        let message =
            format!("the manifest has {} bytes, at most {LONGEST_TEXT} are read", source.len());
        let help = "is this the right file? A manifest of a thousand services fits the limit";
        return (Table::default(), vec![Diagnostic::error("too-long", message).help(help)]);
    }
    if let Some(at) = source.bytes().position(|b| b == 0) {
        let diagnostic = Diagnostic::error("not-text", "the manifest contains a NUL byte")
            .at(Span::new(at, at + 1), "here")
            .help("give a text file; this one looks like a binary");
        return (Table::default(), vec![diagnostic]);
    }
    let (root, errors) = DeTable::parse_recoverable(source);
    let mut reader = Reader { source, diagnostics: Vec::new() };
    // Every error costs a look at the text around it; a file with more is no manifest.
    for error in errors.iter().take(10 * MOST_SYNTAX_ERRORS) {
        reader.syntax(error);
    }
    let table = reader.table(root.into_inner(), 0);
    (table, reader.diagnostics)
}

struct Reader<'a> {
    source: &'a str,
    diagnostics: Vec<Diagnostic>,
}

/// A file of another kind gives an error per line; more than these help nobody.
const MOST_SYNTAX_ERRORS: usize = 20;

impl Reader<'_> {
    fn syntax(&mut self, error: &toml::de::Error) {
        if MOST_SYNTAX_ERRORS <= self.diagnostics.len() {
            return;
        }
        let span = error.span().map_or_else(
            || Span::new(self.source.len(), self.source.len()),
            |range| Span::new(range.start, range.end.max(range.start)),
        );
        let foreign = foreign_format(self.source, span);
        // Every line of another format is a mistake; the first says it all.
        if foreign.is_some() && self.diagnostics.iter().any(|known| known.code == "syntax") {
            return;
        }
        if error.message().starts_with("duplicate key") {
            self.diagnostics.extend(duplicate(self.source, span, &self.diagnostics));
            return;
        }
        let (code, help) = if error.message().contains("recursion limit") {
            ("too-deep", "write less than 32 levels of brackets")
        } else {
            ("syntax", foreign.unwrap_or_else(|| syntax_help(error.message())))
        };
        let message = match error.message() {
            unquoted if unquoted.starts_with("string values must be quoted") => {
                "text must stand in quotes"
            }
            other => other,
        };
        let diagnostic = Diagnostic::error(code, message).at(span, "").help(help);
        if !self.diagnostics.contains(&diagnostic) {
            self.diagnostics.push(diagnostic);
        }
    }

    fn table(&mut self, table: DeTable<'_>, depth: usize) -> Table {
        let mut entries: Vec<(String, Node)> = Vec::new();
        for (key, value) in table {
            let key_span = Span::new(key.span().start, key.span().end);
            let node = self.node(value, Some(key_span), depth + 1);
            entries.push((key.into_inner().into_owned(), node));
        }
        entries.sort_by_key(|(_, node)| node.key_span.start);
        Table { entries }
    }

    fn node(
        &mut self,
        value: toml::Spanned<DeValue<'_>>,
        key_span: Option<Span>,
        depth: usize,
    ) -> Node {
        let range = value.span();
        let mut span = Span::new(range.start, range.end.max(range.start));
        if span.end <= span.start {
            span = key_span.unwrap_or(span);
        }
        let key_span = key_span.unwrap_or(span);
        let value = if DEEPEST < depth {
            let diagnostic =
                Diagnostic::error("too-deep", format!("more than {DEEPEST} levels of nesting"))
                    .at(span, "too deep")
                    .help(
                        "nothing in a manifest nests deeper than five levels; check the brackets",
                    );
            if !self.diagnostics.iter().any(|known| known.code == "too-deep") {
                self.diagnostics.push(diagnostic);
            }
            Value::Boolean(false)
        } else {
            self.value(value.into_inner(), span, depth)
        };
        Node { value, span, key_span, origin: Origin::Base }
    }

    fn value(&mut self, value: DeValue<'_>, span: Span, depth: usize) -> Value {
        match value {
            DeValue::String(text) => Value::Text(text.into_owned()),
            DeValue::Integer(number) => {
                let read = i64::from_str_radix(number.as_str(), number.radix());
                Value::Integer(read.unwrap_or_else(|_too_large| {
                    self.number(span, "a whole number that does not fit 64 bits");
                    0
                }))
            }
            DeValue::Float(number) => {
                Value::Float(number.as_str().parse().unwrap_or_else(|_wrong| {
                    self.number(span, "a number that cannot be read");
                    0.0
                }))
            }
            DeValue::Boolean(truth) => Value::Boolean(truth),
            DeValue::Datetime(moment) => Value::Moment(moment.to_string()),
            DeValue::Array(items) => Value::List(
                items.into_iter().map(|item| self.node(item, None, depth + 1)).collect(),
            ),
            DeValue::Table(table) => Value::Table(self.table(table, depth)),
        }
    }

    fn number(&mut self, span: Span, what: &str) {
        let diagnostic =
            Diagnostic::error("syntax", what).at(span, "").help("write a smaller number");
        self.diagnostics.push(diagnostic);
    }
}

/// A key or header that was written before.
///
/// The reader names only the second place; the first is the nearest line above that begins alike,
/// which within one table can be no other.
fn duplicate(source: &str, span: Span, known: &[Diagnostic]) -> Option<Diagnostic> {
    let name = source.get(span.start..span.end)?;
    let line_of = |at: usize| {
        let start = source.get(..at)?.rfind('\n').map_or(0, |newline| newline + 1);
        Some((start, source.get(start..)?.lines().next()?))
    };
    let (start, line) = line_of(span.start)?;
    let is_header = line.trim_start().starts_with('[');
    if !is_header {
        // What stands below a repeated header is repeated as well.
        let below = |known: &&Diagnostic| {
            let header = known.places.first().map(|place| place.span.end).unwrap_or_default();
            let between = source.get(header..start).unwrap_or_default();
            let same = !between.lines().skip(1).any(|line| line.trim_start().starts_with('['));
            known.code == "duplicate-header" && same
        };
        if known.iter().any(|known| below(&known)) {
            return None;
        }
    }
    let what = if is_header { line.trim() } else { name };
    let key = |line: &str| line.split('=').next().unwrap_or_default().trim() == name;
    let mut end = start;
    let mut first = None;
    while let Some((above, line)) = end.checked_sub(1).and_then(line_of) {
        if (is_header && line.trim() == what) || (!is_header && key(line)) {
            first = line.find(name).map(|at| Span::new(above + at, above + at + name.len()));
            break;
        }
        if !is_header && line.trim_start().starts_with('[') {
            break;
        }
        end = above;
    }
    let code = if is_header { "duplicate-header" } else { "duplicate-key" };
    let mut diagnostic = Diagnostic::error(code, format!("`{what}` is written twice")).at(span, "");
    if let Some(first) = first {
        diagnostic = diagnostic.at(first, "first here");
    }
    Some(diagnostic.help("write it once; merge the two"))
}

/// What to say when the line at this place looks like another format.
fn foreign_format(source: &str, span: Span) -> Option<&'static str> {
    let head = source.get(..span.start)?;
    let start = head.rfind('\n').map_or(0, |newline| newline + 1);
    let line = source.get(start..)?.lines().next()?.trim();
    if source.trim_start().starts_with('{') {
        return Some(
            "this looks like JSON; a manifest is TOML: `key = \"value\"` under `[service.name]`",
        );
    }
    let yaml = line.ends_with(':') || line.contains(": ") || line.starts_with("- ");
    (yaml && !line.contains('=')).then_some(
        "this looks like YAML; a manifest is TOML: `key = \"value\"` under `[service.name]`",
    )
}

fn syntax_help(message: &str) -> &'static str {
    if message.starts_with("invalid basic string") {
        "close the text with a double quote on the same line"
    } else if message.contains("quot") || message.contains("string") || message.contains("literal")
    {
        "put text between double quotes: `key = \"text\"`"
    } else {
        "write `key = value`, text between double quotes, or a header like `[service.api]`"
    }
}
