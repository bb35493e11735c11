//! Reads one table's keys and collects every mistake on the way.
//!
//! A cursor is opened over a table together with the keys that may stand in it; unknown ones are
//! reported at once, so that a parser cannot forget to. Each reading function gives `None` for an
//! absent key and for a wrong value, and reports the latter. The parsers of build kinds, engines
//! and notifiers outside this crate read their own keys through the same cursor.

use std::collections::HashSet;
use std::time::Duration;

use base::{Bytes, Diagnostic, Percent, QuantityError, Rate, Span, Spanned, parse_duration};

use crate::field::{Field, Syntax};
use crate::forms::{bare_name, bare_secret, relative_path, secret_name, url_path, variable_name};
use crate::names;
use crate::tree::{Node, Table, Value};

/// Why a text was refused, and what to write instead.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal {
    /// A lowercase fragment: "`5 parsecs` is not a duration".
    pub message: String,
    /// An imperative sentence.
    pub help: String,
}

impl Refusal {
    /// Pairs the two.
    pub fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self { message: message.into(), help: help.into() }
    }
}

impl From<QuantityError> for Refusal {
    fn from(error: QuantityError) -> Self {
        Self { message: error.problem, help: error.remedy }
    }
}

/// A position in the tree from which keys are read.
#[derive(Debug)]
pub struct Cursor<'a> {
    table: &'a Table,
    span: Span,
    path: String,
    fields: &'static [Field],
    diagnostics: &'a mut Vec<Diagnostic>,
}

impl<'a> Cursor<'a> {
    /// Opens a table whose keys are `fields`, and reports every other key.
    pub fn open(
        node: &'a Node,
        path: &str,
        fields: &'static [Field],
        diagnostics: &'a mut Vec<Diagnostic>,
    ) -> Option<Self> {
        let cursor = Self::open_beside(node, path, (fields, None), diagnostics)?;
        Some(cursor)
    }

    /// Opens a table in which keys that are not in `fields` belong to somebody else.
    pub(crate) fn open_shared(
        node: &'a Node,
        path: &str,
        fields: &'static [Field],
        diagnostics: &'a mut Vec<Diagnostic>,
    ) -> Option<Self> {
        let Value::Table(table) = &node.value else {
            diagnostics.push(not_a_table(node, path));
            return None;
        };
        Some(Self { table, span: node.key_span, path: path.to_owned(), fields, diagnostics })
    }

    fn open_beside(
        node: &'a Node,
        path: &str,
        (fields, others): (&'static [Field], Option<&'static [Field]>),
        diagnostics: &'a mut Vec<Diagnostic>,
    ) -> Option<Self> {
        let cursor = Self::open_shared(node, path, fields, diagnostics)?;
        let known = |name: &str| {
            fields.iter().chain(others.unwrap_or_default()).any(|field| field.name == name)
        };
        for (key, node) in cursor.table.iter() {
            if !known(key) && !key.starts_with("x-") {
                let names: Vec<&str> =
                    fields.iter().chain(others.unwrap_or_default()).map(|f| f.name).collect();
                cursor.diagnostics.push(unknown_key(path, key, node, &names));
            }
        }
        Some(cursor)
    }

    /// Where the table was named, for mistakes about the whole of it.
    #[must_use]
    pub fn span(&self) -> Span {
        self.span
    }

    /// The dotted path of the table, such as `service.api.probe`.
    #[must_use]
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The collector, for mistakes that a parser finds itself.
    pub fn report(&mut self, diagnostic: Diagnostic) {
        self.diagnostics.push(diagnostic);
    }

    /// The node behind a key.
    ///
    /// # Panics
    ///
    /// In debug builds, when the key is not among the fields: it would be reported as unknown.
    #[must_use]
    pub fn node(&self, key: &str) -> Option<&'a Node> {
        debug_assert!(self.field(key).is_some(), "`{key}` is not a field of {}", self.path);
        self.table.get(key)
    }

    /// Whether the key was written.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        self.node(key).is_some()
    }

    /// Reports the fields that are required and absent; says whether there were any.
    pub fn require_all(&mut self) -> bool {
        let mut missing = false;
        for field in self.fields {
            if field.required && self.table.get(field.name).is_none() {
                missing = true;
                let message = format!("`{}` is missing in {}", field.name, shown(&self.path));
                let help = format!("add `{} = {}`", field.name, field.example);
                self.diagnostics
                    .push(Diagnostic::error("missing-key", message).at(self.span, "").help(help));
            }
        }
        missing
    }

    /// Text as it stands.
    pub fn text(&mut self, key: &'static str) -> Option<Spanned<String>> {
        self.read(key, |text| {
            if text.trim().is_empty() {
                return Err(Refusal::new(
                    "",
                    "write something between the quotes, or leave the key out",
                ));
            }
            Ok(text.to_owned())
        })
    }

    /// Text as it stands, or nothing, without reporting.
    pub(crate) fn text_or_empty(&self, key: &'static str) -> Spanned<String> {
        match self.node(key) {
            Some(Node { value: Value::Text(text), span, .. }) => Spanned::new(text.clone(), *span),
            _ => Spanned::new(String::new(), self.span),
        }
    }

    /// Text that `parse` turns into a value.
    pub fn read<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, Refusal>,
    ) -> Option<Spanned<T>> {
        let node = self.node(key)?;
        let Value::Text(text) = &node.value else {
            self.wrong_type(key, node);
            return None;
        };
        match parse(text) {
            Ok(value) => Some(Spanned::new(value, node.span)),
            Err(refusal) => {
                self.refuse(key, node, refusal);
                None
            }
        }
    }

    /// `true` or `false`.
    pub fn boolean(&mut self, key: &'static str) -> Option<Spanned<bool>> {
        let node = self.node(key)?;
        let Value::Boolean(truth) = node.value else {
            self.wrong_type(key, node);
            return None;
        };
        Some(Spanned::new(truth, node.span))
    }

    /// A whole number within the bounds that its field states.
    pub fn whole<T: TryFrom<i64>>(&mut self, key: &'static str) -> Option<Spanned<T>> {
        let node = self.node(key)?;
        let Value::Integer(number) = node.value else {
            self.wrong_type(key, node);
            return None;
        };
        let bounds = match self.field(key).map(|field| field.syntax) {
            Some(Syntax::Whole(least, most)) => (least, most),
            _ => (0, i64::from(u32::MAX)),
        };
        let fits = bounds.0 <= number && number <= bounds.1;
        match T::try_from(number) {
            Ok(value) if fits => Some(Spanned::new(value, node.span)),
            _ => {
                let message = format!("`{key} = {number}` is out of range");
                let help = format!("write a whole number from {} to {}", bounds.0, bounds.1);
                self.diagnostics
                    .push(Diagnostic::error("out-of-range", message).at(node.span, "").help(help));
                None
            }
        }
    }

    /// A duration.
    pub fn duration(&mut self, key: &'static str) -> Option<Spanned<Duration>> {
        self.read(key, |text| Ok(parse_duration(text)?))
    }

    /// A duration above zero.
    pub fn period(&mut self, key: &'static str) -> Option<Spanned<Duration>> {
        self.read(key, |text| {
            let duration = parse_duration(text)?;
            if duration.is_zero() {
                return Err(Refusal::new(
                    format!("`{key}` is zero"),
                    "write a duration above zero",
                ));
            }
            Ok(duration)
        })
    }

    /// A size.
    pub fn bytes(&mut self, key: &'static str) -> Option<Spanned<Bytes>> {
        self.read(key, |text| {
            let bytes = Bytes::parse(text)?;
            if bytes == Bytes(0) {
                return Err(Refusal::new(format!("`{key}` is zero"), "write a size above zero"));
            }
            Ok(bytes)
        })
    }

    /// A percentage.
    pub fn percent(&mut self, key: &'static str) -> Option<Spanned<Percent>> {
        self.read(key, |text| Ok(Percent::parse(text)?))
    }

    /// A rate.
    pub fn rate(&mut self, key: &'static str) -> Option<Spanned<Rate>> {
        self.read(key, |text| Ok(Rate::parse(text)?))
    }

    /// A path that stays below the manifest's directory.
    pub fn file(&mut self, key: &'static str) -> Option<Spanned<String>> {
        self.read(key, relative_path)
    }

    /// A path of a URL.
    pub fn url_path(&mut self, key: &'static str) -> Option<Spanned<String>> {
        self.read(key, url_path)
    }

    /// The bare name of another section.
    pub fn name(&mut self, key: &'static str) -> Option<Spanned<String>> {
        self.read(key, bare_name)
    }

    /// `$NAME`, of which the name is returned.
    pub fn secret(&mut self, key: &'static str) -> Option<Spanned<String>> {
        self.read(key, |text| secret_name(key, text))
    }

    /// One of a few words.
    pub fn choice<T: Copy>(
        &mut self,
        key: &'static str,
        choices: &[(&'static str, T)],
    ) -> Option<Spanned<T>> {
        self.read(key, |text| {
            if let Some((_, value)) = choices.iter().find(|(word, _)| *word == text) {
                return Ok(*value);
            }
            let words: Vec<&str> = choices.iter().map(|(word, _)| *word).collect();
            let message = format!("`{text}` is no value of `{key}`");
            Err(Refusal::new(message, names::remedy(text, &words, "")))
        })
    }

    /// A list of texts, each turned into a value; elements that are written twice are reported.
    pub fn list<T>(
        &mut self,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, Refusal>,
    ) -> Vec<Spanned<T>> {
        let Some(node) = self.node(key) else {
            return Vec::new();
        };
        let Value::List(items) = &node.value else {
            self.wrong_type(key, node);
            return Vec::new();
        };
        let mut values = Vec::new();
        for item in items {
            match &item.value {
                Value::Text(text) => match parse(text) {
                    Ok(value) => values.push(Spanned::new(value, item.span)),
                    Err(refusal) => self.refuse(key, item, refusal),
                },
                other => {
                    let message = format!("`{key}` is a list of texts, not of {}", other.kind());
                    let help = self.example(key);
                    self.diagnostics.push(
                        Diagnostic::error("wrong-type", message).at(item.span, "").help(help),
                    );
                }
            }
        }
        values
    }

    /// A list of bare names, each at most once.
    pub fn name_list(&mut self, key: &'static str) -> Vec<Spanned<String>> {
        let names = self.list(key, bare_name);
        self.once_each(key, names)
    }

    /// A list of names of variables, each at most once.
    pub fn variable_list(&mut self, key: &'static str) -> Vec<Spanned<String>> {
        let names = self.list(key, |text| {
            let name = text.strip_prefix('$').unwrap_or(text);
            if name == text { variable_name(text) } else { Err(bare_secret(name)) }
        });
        self.once_each(key, names)
    }

    /// A table below this one.
    pub fn table(&mut self, key: &'static str) -> Option<Cursor<'_>> {
        let node = self.node(key)?;
        let fields = match self.field(key).map(|field| field.syntax) {
            Some(Syntax::Table(fields)) => fields,
            _ => &[],
        };
        if !matches!(node.value, Value::Table(_)) {
            self.wrong_type(key, node);
            return None;
        }
        Cursor::open(node, &format!("{}.{key}", self.path), fields, self.diagnostics)
    }

    /// The keys and nodes of a table whose keys are names of variables.
    pub fn map(&mut self, key: &'static str) -> Vec<(Spanned<String>, &'a Node)> {
        let Some(node) = self.node(key) else {
            return Vec::new();
        };
        let Value::Table(table) = &node.value else {
            self.wrong_type(key, node);
            return Vec::new();
        };
        let mut entries = Vec::new();
        for (name, node) in table.iter().filter(|(name, _)| !name.starts_with("x-")) {
            match variable_name(name) {
                Ok(name) => entries.push((Spanned::new(name, node.key_span), node)),
                Err(refusal) => self.diagnostics.push(
                    Diagnostic::error("bad-name", refusal.message)
                        .at(node.key_span, "")
                        .help(refusal.help),
                ),
            }
        }
        entries
    }

    /// The collector, borrowed for a parser of a part.
    pub(crate) fn collector(&mut self) -> &mut Vec<Diagnostic> {
        self.diagnostics
    }

    /// Reports a refused value at its place.
    pub(crate) fn refuse(&mut self, key: &str, node: &Node, refusal: Refusal) {
        let message =
            if refusal.message.is_empty() { format!("`{key}` is empty") } else { refusal.message };
        self.diagnostics
            .push(Diagnostic::error("bad-value", message).at(node.span, "").help(refusal.help));
    }

    /// Reports a value of the wrong type at its place.
    pub(crate) fn wrong_type(&mut self, key: &str, node: &Node) {
        let expected = self.field(key).map_or_else(String::new, |field| field.syntax.expected());
        let message = format!("`{key}` must be {expected}, not {}", node.value.kind());
        let help = self.example(key);
        self.diagnostics
            .push(Diagnostic::error("wrong-type", message).at(node.span, "").help(help));
    }

    fn example(&self, key: &str) -> String {
        let example = self.field(key).map_or("…", |field| field.example);
        format!("write `{key} = {example}`")
    }

    fn field(&self, key: &str) -> Option<&'static Field> {
        self.fields.iter().find(|field| field.name == key)
    }

    fn once_each(&mut self, key: &str, values: Vec<Spanned<String>>) -> Vec<Spanned<String>> {
        let mut seen: HashSet<String> = HashSet::new();
        let mut kept: Vec<Spanned<String>> = Vec::new();
        for value in values {
            if seen.insert(value.value.clone()) {
                kept.push(value);
                continue;
            }
            let first =
                kept.iter().find(|first| first.value == value.value).map(|first| first.span);
            let message = format!("`{}` stands twice in `{key}`", value.value);
            let diagnostic = Diagnostic::error("twice", message)
                .at(value.span, "")
                .at(first.unwrap_or(value.span), "first here")
                .help("remove one");
            self.diagnostics.push(diagnostic);
        }
        kept
    }
}

/// The keys of a table that belong to a kind: a build kind, an engine, a notifier.
///
/// Which keys those are is known only where the kinds are; they are read there, through
/// [`KindTable::open`].
#[derive(Clone, Debug)]
pub struct KindTable {
    /// The whole table as it was written.
    pub node: Node,
    /// Its dotted path.
    pub path: String,
    /// The keys of the section that do not belong to the kind.
    pub common: &'static [Field],
}

impl KindTable {
    /// Whether the key was written, rightly or not.
    #[must_use]
    pub fn has(&self, key: &str) -> bool {
        matches!(&self.node.value, Value::Table(table) if table.get(key).is_some())
    }

    /// Opens the table for the kind's own keys; a key that is neither the kind's nor the section's
    /// is reported.
    pub fn open<'a>(
        &'a self,
        own: &'static [Field],
        diagnostics: &'a mut Vec<Diagnostic>,
    ) -> Option<Cursor<'a>> {
        Cursor::open_beside(&self.node, &self.path, (own, Some(self.common)), diagnostics)
    }
}

/// "[service.api]" or "`service.api.probe`", whichever the reader will find in the file.
fn shown(path: &str) -> String {
    match path.matches('.').count() {
        0 if path.is_empty() => "the manifest".to_owned(),
        0 | 1 => format!("[{path}]"),
        _ => format!("`{path}`"),
    }
}

pub(crate) fn unknown_key(path: &str, key: &str, node: &Node, known: &[&str]) -> Diagnostic {
    let message = format!("unknown key `{key}` in {}", shown(path));
    let help = match names::nearest(key, known.iter().copied()) {
        Some(near) => format!("did you mean `{near}`? Keys of your own begin with `x-`"),
        None if known.is_empty() => "remove it; keys of your own begin with `x-`".to_owned(),
        None => format!("known keys are {}", names::quoted(known).replace(" or ", ", ")),
    };
    Diagnostic::error("unknown-key", message).at(node.key_span, "").help(help)
}

pub(crate) fn not_a_table(node: &Node, path: &str) -> Diagnostic {
    let message = format!("{} must be a table, not {}", shown(path), node.value.kind());
    let help = match node.value {
        Value::List(_) => format!("write `[{path}]` with single brackets; sections have names"),
        _ if path.starts_with("slo.") || path.starts_with("alert.") => {
            let name = path.rsplit('.').next().unwrap_or_default();
            format!("write `{name} = {{ … }}`")
        }
        _ => format!("write a header `[{path}]` and its keys on the lines below"),
    };
    Diagnostic::error("wrong-type", message).at(node.span, "").help(help)
}
