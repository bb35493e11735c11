//! The file as a whole: its base, its environments, and what can be asked about them.
//!
//! A document exists even when the text is broken; the mistakes come out of [`Document::resolve`].
//! Every environment is read and checked each time, not only the one asked for: a mistake in
//! production's lines is found on the laptop.

use std::collections::HashSet;

use base::{Diagnostic, Severity, Span};

use crate::check;
use crate::cursor;
use crate::manifest::Manifest;
use crate::names;
use crate::overlay;
use crate::tree::{self, Node, Table, Value};

/// The name under which the base itself is read.
pub const BASE: &str = "base";

/// More environments than anybody has; each costs a reading of the whole file.
const MOST_ENVIRONMENTS: usize = 32;

/// More mistakes than anybody reads at once.
const MOST_DIAGNOSTICS: usize = 100;

/// A manifest's text, read but not yet judged.
#[derive(Clone, Debug)]
pub struct Document {
    base: Table,
    environments: Vec<(String, Node)>,
    diagnostics: Vec<Diagnostic>,
    broken: bool,
}

impl Document {
    /// Reads the text.
    #[must_use]
    pub fn parse(source: &str) -> Self {
        let (mut base, mut diagnostics) = tree::read(source);
        let broken = !diagnostics.is_empty();
        if !broken && base.is_empty() {
            let diagnostic = Diagnostic::error("empty", "the manifest is empty")
                .help("run `mainstay init` to have one written from what is in this directory");
            diagnostics.push(diagnostic);
        }
        check_headers(&base, source, &mut Vec::new(), &mut diagnostics);
        let environments = match base.remove("env") {
            Some(node) => split_environments(node, &mut diagnostics),
            None => Vec::new(),
        };
        Self { base, environments, diagnostics, broken }
    }

    /// The names of the environments that the file declares.
    pub fn environments(&self) -> impl Iterator<Item = &str> {
        self.environments.iter().map(|(name, _)| name.as_str())
    }

    /// The manifest of an environment, and every mistake of the whole file.
    ///
    /// Without a name the base is read as it is; so is `dev` when the file does not declare it.
    /// The manifest is there when there is no error among the diagnostics, warnings aside.
    #[must_use]
    pub fn resolve(&self, environment: Option<&str>) -> (Option<Manifest>, Vec<Diagnostic>) {
        let mut diagnostics = self.diagnostics.clone();
        if diagnostics.iter().any(|diagnostic| diagnostic.code == "empty") {
            return (None, diagnostics);
        }
        let declared = |name: &str| self.environments().any(|known| known == name);
        let wanted = environment.filter(|name| declared(name));
        if let Some(name) = environment.filter(|name| !declared(name) && *name != "dev") {
            diagnostics.push(self.unknown_environment(name));
        }
        // A broken file gives mistakes about what the break swallowed; only those that the reader
        // of the rest is sure of would help, and it cannot tell which they are.
        if self.broken {
            return (None, tidy(diagnostics));
        }
        let mut chosen = judge(&self.base, environment.unwrap_or(BASE), &mut diagnostics);
        let seen: HashSet<String> = diagnostics.iter().map(key_of).collect();
        for (name, node) in &self.environments {
            let mut own = Vec::new();
            let merged = overlay::merge(&self.base, (name, node), &mut own);
            let manifest = judge(&merged, name, &mut own);
            own.retain(|diagnostic| !seen.contains(&key_of(diagnostic)));
            let region = region(node);
            diagnostics.extend(own.into_iter().map(|own| locate(own, name, node, region)));
            if wanted == Some(name) {
                chosen = manifest;
            }
        }
        let failed = diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error);
        (chosen.filter(|_| !failed), tidy(diagnostics))
    }

    /// Whether the text is TOML at all, so that questions about its values have answers.
    #[must_use]
    pub fn is_readable(&self) -> bool {
        !self.broken && !self.base.is_empty()
    }

    /// The manifest of an environment whatever its mistakes, to look for more of them.
    ///
    /// Wrong values are left out or replaced by defaults: nothing may be run from a draft.
    #[must_use]
    pub fn draft(&self, environment: Option<&str>) -> Option<Manifest> {
        if !self.is_readable() {
            return None;
        }
        let name = environment.unwrap_or(BASE);
        Manifest::read(&self.merged(environment), name, &mut Vec::new())
    }

    /// The merged tree of an environment, for questions about single values.
    pub(crate) fn merged(&self, environment: Option<&str>) -> Table {
        let overlay = self.environments.iter().find(|(name, _)| Some(name.as_str()) == environment);
        match overlay {
            Some((name, node)) => overlay::merge(&self.base, (name, node), &mut Vec::new()),
            None => self.base.clone(),
        }
    }

    fn unknown_environment(&self, name: &str) -> Diagnostic {
        let known: Vec<&str> = self.environments().collect();
        let none = format!("add `[env.{name}]` to the manifest; without any there is only `dev`");
        Diagnostic::error("unknown-environment", format!("there is no environment `{name}`"))
            .help(names::remedy(name, &known, &none))
    }
}

fn judge(root: &Table, environment: &str, diagnostics: &mut Vec<Diagnostic>) -> Option<Manifest> {
    let manifest = Manifest::read(root, environment, diagnostics)?;
    check::check(&manifest, diagnostics);
    Some(manifest)
}

fn split_environments(node: Node, diagnostics: &mut Vec<Diagnostic>) -> Vec<(String, Node)> {
    let Value::Table(table) = node.value else {
        diagnostics.push(cursor::not_a_table(&node, "env.dev"));
        return Vec::new();
    };
    let mut environments = Vec::new();
    for (name, node) in table.into_entries() {
        if name.starts_with("x-") {
            continue;
        }
        let problem = if name == BASE {
            Some(("`base` is what the file says outside of environments", "choose another name"))
        } else if !names::is_name(&name) {
            Some(("an environment's name is of small letters, digits and hyphens", "rename it"))
        } else if MOST_ENVIRONMENTS <= environments.len() {
            Some(("a manifest has at most 32 environments", "split the application"))
        } else {
            None
        };
        match problem {
            Some((message, help)) => diagnostics
                .push(Diagnostic::error("bad-name", message).at(node.key_span, "").help(help)),
            None => environments.push((name, node)),
        }
    }
    environments
}

/// `[a.b.c]` and `[[a]]`, which TOML has and a manifest has not.
fn check_headers(
    table: &Table,
    source: &str,
    path: &mut Vec<String>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    for (key, node) in table.iter() {
        let Value::Table(below) = &node.value else {
            continue;
        };
        path.push(key.to_owned());
        let is_header = source.as_bytes().get(node.span.start) == Some(&b'[');
        if is_header && 2 < path.len() {
            diagnostics.push(deep_header(node, path));
        }
        check_headers(below, source, path, diagnostics);
        path.pop();
    }
}

fn deep_header(node: &Node, path: &[String]) -> Diagnostic {
    let message = format!("the header [{}] has {} levels", path.join("."), path.len());
    let (head, tail) = path.split_at(2);
    let help = format!(
        "headers have at most two: write `{} = {{ … }}` under [{}]",
        tail.join("."),
        head.join(".")
    );
    Diagnostic::error("deep-header", message).at(node.span, "").help(help)
}

/// From an environment's header to the end of its last value.
fn region(node: &Node) -> Span {
    let mut span = Span::new(node.key_span.start.min(node.span.start), node.span.end);
    let below: Box<dyn Iterator<Item = &Node>> = match &node.value {
        Value::Table(table) => Box::new(table.iter().map(|(_, node)| node)),
        Value::List(items) => Box::new(items.iter()),
        _ => Box::new(std::iter::empty()),
    };
    for node in below {
        let inner = region(node);
        span = Span::new(span.start.min(inner.start), span.end.max(inner.end));
    }
    span
}

/// Says in which environment something is wrong when its places do not show it.
fn locate(diagnostic: Diagnostic, name: &str, node: &Node, region: Span) -> Diagnostic {
    let inside = |span: Span| region.start <= span.start && span.end <= region.end;
    if diagnostic.places.iter().any(|place| inside(place.span)) {
        return diagnostic;
    }
    diagnostic.at(node.key_span, format!("only in environment `{name}`"))
}

fn key_of(diagnostic: &Diagnostic) -> String {
    let place = diagnostic.places.first().map(|place| place.span).unwrap_or_default();
    format!("{} {} {} {}", diagnostic.code, place.start, place.end, diagnostic.message)
}

/// In the order of the file, each once, and not more than anybody reads.
fn tidy(mut diagnostics: Vec<Diagnostic>) -> Vec<Diagnostic> {
    diagnostics
        .sort_by_key(|diagnostic| diagnostic.places.first().map_or(0, |place| place.span.start));
    let mut seen = HashSet::new();
    diagnostics.retain(|diagnostic| seen.insert(key_of(diagnostic)));
    if MOST_DIAGNOSTICS < diagnostics.len() {
        let more = diagnostics.len() - MOST_DIAGNOSTICS;
        diagnostics.sort_by_key(|diagnostic| diagnostic.severity);
        diagnostics.truncate(MOST_DIAGNOSTICS);
        let message = format!("{more} more mistakes are not shown");
        diagnostics.push(Diagnostic::error("many", message).help("mend these first"));
    }
    diagnostics
}
