//! `[env.NAME]`: what one environment changes of the base.
//!
//! Tables merge, everything else replaces, `drop` removes, and `"*"` means every name. Merging is
//! done on trees, before anything is parsed, so that a merged section is parsed and judged by the
//! same code as one that was written in one piece, and each value keeps the place it came from.

use std::sync::Arc;

use base::{Diagnostic, Spanned};

use crate::cursor;
use crate::field::Shape;
use crate::manifest::{FIELDS, SECTIONS};
use crate::names;
use crate::tree::{Node, Origin, Table, Value};

/// A `"*"` that would make more nodes than this is refused instead of filling the memory.
const MOST_COPIES: usize = 200_000;

/// The base with one environment laid over it.
pub(crate) fn merge(
    base: &Table,
    (name, node): (&str, &Node),
    diagnostics: &mut Vec<Diagnostic>,
) -> Table {
    let mut merged = base.clone();
    let Value::Table(overlay) = &node.value else {
        diagnostics.push(cursor::not_a_table(node, &format!("env.{name}")));
        return merged;
    };
    check_keys(name, overlay, diagnostics);
    for path in drops(overlay, diagnostics) {
        drop_path(&mut merged, &path, diagnostics);
    }
    let origin = Origin::Environment(Arc::from(name));
    for (key, node) in overlay.iter() {
        if !known_keys().contains(&key) || key == "drop" {
            continue;
        }
        let mut node = node.clone();
        mark(&mut node, &origin);
        if has_names(key) {
            spread(merged.get(key), &mut node, diagnostics);
        }
        merge_into(&mut merged, key, node);
    }
    merged
}

/// What an environment may hold: the whole file's keys but those that identify it.
fn known_keys() -> Vec<&'static str> {
    let mut known: Vec<&str> = FIELDS.iter().map(|field| field.name).collect();
    known.retain(|key| *key != "format" && *key != "app");
    known.extend(SECTIONS.iter().map(|section| section.name));
    known.push("drop");
    known
}

fn check_keys(name: &str, overlay: &Table, diagnostics: &mut Vec<Diagnostic>) {
    let known = known_keys();
    for (key, node) in overlay.iter() {
        if known.contains(&key) || key.starts_with("x-") {
            continue;
        }
        let diagnostic = match key {
            "env" => Diagnostic::error("unknown-key", "an environment inside of an environment")
                .at(node.key_span, "")
                .help("write each environment as `[env.name]`; none inherits from another"),
            "format" | "app" => {
                let message = format!("`{key}` is the same in every environment");
                Diagnostic::error("unknown-key", message)
                    .at(node.key_span, "")
                    .help("remove it here; it stands at the top of the file")
            }
            _ => cursor::unknown_key(&format!("env.{name}"), key, node, &known),
        };
        diagnostics.push(diagnostic);
    }
}

fn mark(node: &mut Node, origin: &Origin) {
    node.origin = origin.clone();
    match &mut node.value {
        Value::Table(table) => table.iter_mut().for_each(|(_, node)| mark(node, origin)),
        Value::List(items) => items.iter_mut().for_each(|node| mark(node, origin)),
        _ => {}
    }
}

/// Replaces the entry `"*"` of a section by one entry for every name.
fn spread(base: Option<&Node>, section: &mut Node, diagnostics: &mut Vec<Diagnostic>) {
    let Value::Table(entries) = &mut section.value else {
        return;
    };
    let Some(star) = entries.remove("*") else {
        return;
    };
    let mut names: Vec<String> = match base.map(|node| &node.value) {
        Some(Value::Table(table)) => table.iter().map(|(name, _)| name.to_owned()).collect(),
        _ => Vec::new(),
    };
    let known: std::collections::HashSet<String> = names.iter().cloned().collect();
    names.extend(entries.iter().map(|(name, _)| name.to_owned()).filter(|n| !known.contains(n)));
    names.retain(|name| !name.starts_with("x-"));
    if names.is_empty() {
        let diagnostic =
            Diagnostic::error("unknown-name", "`*` stands for every name, and there is none")
                .at(star.key_span, "")
                .help("write the name that is meant, or remove this line");
        diagnostics.push(diagnostic);
    }
    if MOST_COPIES < names.len().saturating_mul(star.value.count()) {
        let diagnostic =
            Diagnostic::error("too-long", "`*` stands for too many names with too many keys")
                .at(star.key_span, "")
                .help("write what all have in common outside of the environment");
        diagnostics.push(diagnostic);
        return;
    }
    let own = std::mem::take(entries);
    for name in names {
        entries.push(name, star.clone());
    }
    merge_tables(entries, own);
}

fn merge_into(table: &mut Table, key: &str, node: Node) {
    match table.get_mut(key) {
        Some(existing) => merge_node(existing, node),
        None => table.push(key.to_owned(), node),
    }
}

fn merge_tables(into: &mut Table, from: Table) {
    let index = into.index();
    for (key, node) in from.into_entries() {
        match index.get(&key).and_then(|at| into.at_mut(*at)) {
            Some(existing) => merge_node(existing, node),
            None => into.push(key, node),
        }
    }
}

fn merge_node(existing: &mut Node, node: Node) {
    match (&mut existing.value, node) {
        (Value::Table(into), Node { value: Value::Table(from), .. }) => merge_tables(into, from),
        (_, node) => *existing = node,
    }
}

/// The paths that `drop` names.
fn drops(overlay: &Table, diagnostics: &mut Vec<Diagnostic>) -> Vec<Spanned<Vec<String>>> {
    let Some(node) = overlay.get("drop") else {
        return Vec::new();
    };
    let mut paths = Vec::new();
    let help = "write the paths of what is removed: `drop = [\"service.mailer\"]`";
    let Value::List(items) = &node.value else {
        let message = format!("`drop` must be a list, not {}", node.value.kind());
        diagnostics.push(Diagnostic::error("wrong-type", message).at(node.span, "").help(help));
        return paths;
    };
    for item in items {
        match &item.value {
            Value::Text(text) if !text.trim().is_empty() => {
                paths.push(Spanned::new(split_path(text), item.span));
            }
            other => {
                let message = format!("`drop` is a list of paths, not of {}", other.kind());
                diagnostics
                    .push(Diagnostic::error("wrong-type", message).at(item.span, "").help(help));
            }
        }
    }
    paths
}

fn drop_path(table: &mut Table, path: &Spanned<Vec<String>>, diagnostics: &mut Vec<Diagnostic>) {
    let shown = path.value.join(".");
    if let ["format" | "app"] = path.value.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        let message = format!("no environment can be without `{shown}`");
        let diagnostic = Diagnostic::error("bad-value", message).at(path.span, "");
        diagnostics.push(diagnostic.help("remove it from `drop`"));
        return;
    }
    if let Err((depth, known)) = remove(table, &path.value, 0) {
        let above = path.value.get(..depth).unwrap_or_default().join(".");
        let dot = if above.is_empty() { "" } else { "." };
        let known: Vec<String> = known.iter().map(|name| format!("{above}{dot}{name}")).collect();
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let message = format!("there is no `{shown}` to drop");
        let help = names::remedy(&shown, &known, "remove it; nothing is there to be dropped");
        diagnostics.push(Diagnostic::error("unknown-name", message).at(path.span, "").help(help));
    }
}

/// Removes a path; fails with the depth of the part that was not found and what stands there.
fn remove(table: &mut Table, path: &[String], depth: usize) -> Result<(), (usize, Vec<String>)> {
    let Some(name) = path.get(depth) else {
        return Ok(());
    };
    let is_last = depth + 1 == path.len();
    if name == "*" && is_last && 0 < depth {
        table.retain(|key| key.starts_with("x-"));
        return Ok(());
    }
    let known = |table: &Table| {
        let names = table.iter().map(|(key, _)| key);
        names
            .filter(|key| depth != 0 || !matches!(*key, "format" | "app"))
            .map(str::to_owned)
            .collect()
    };
    if table.get(name).is_none() {
        return Err((depth, known(table)));
    }
    if is_last {
        table.retain(|key| key != name);
        return Ok(());
    }
    match table.get_mut(name).map(|node| &mut node.value) {
        Some(Value::Table(below)) => remove(below, path, depth + 1),
        _ => Err((depth + 1, Vec::new())),
    }
}

/// `service.api."a.b"` as its parts.
pub(crate) fn split_path(text: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut quoted = false;
    for letter in text.trim().chars() {
        match letter {
            '"' => quoted = !quoted,
            '.' if !quoted => parts.push(String::new()),
            _ => {
                if let Some(part) = parts.last_mut() {
                    part.push(letter);
                }
            }
        }
    }
    parts
}

/// Whether a section has names, over which `"*"` can stand.
fn has_names(section: &str) -> bool {
    SECTIONS
        .iter()
        .find(|known| known.name == section)
        .is_some_and(|known| !matches!(known.shape, Shape::Single(_)))
}
