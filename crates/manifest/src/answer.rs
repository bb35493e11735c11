//! Questions about single values: where does it come from, and where do two environments differ?
//!
//! Asked of trees rather than of parsed sections, because a tree still knows what was written and
//! by whom; what was left out is found in the tables of fields.

use std::collections::HashMap;

use base::{Diagnostic, Span};

use crate::document::Document;
use crate::field::{self, Field, Shape, Syntax};
use crate::manifest::{FIELDS, SECTIONS};
use crate::names;
use crate::overlay::split_path;
use crate::tree::{Key, Node, Origin, Table, Value};

/// What holds for a path, and why.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Answer {
    /// The value as it would be written; absent when nothing was written and nothing holds then.
    pub value: Option<String>,
    /// What decided.
    pub origin: AnswerOrigin,
    /// Where it is written.
    pub span: Option<Span>,
    /// What the key is for.
    pub about: Option<&'static str>,
}

/// What decided about a value.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum AnswerOrigin {
    /// The file, outside of environments.
    Base,
    /// An environment of the file.
    Environment(String),
    /// Nobody; it holds because nothing else was written.
    Default,
}

/// A path at which two environments differ.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Difference {
    /// The dotted path.
    pub path: String,
    /// What holds in the first; absent when nothing does.
    pub a: Option<String>,
    /// What holds in the second; absent when nothing does.
    pub b: Option<String>,
}

impl Document {
    /// Says what holds for a dotted path, such as `service.api.drain`, and what decided.
    ///
    /// # Errors
    ///
    /// When the path names nothing that exists or could exist.
    pub fn why(&self, path: &str, environment: Option<&str>) -> Result<Answer, Box<Diagnostic>> {
        answer(&self.merged(environment), path)
    }

    /// Every path at which two environments differ, in the order of the file.
    #[must_use]
    pub fn diff(&self, a: Option<&str>, b: Option<&str>) -> Vec<Difference> {
        let (root_a, root_b) = (self.merged(a), self.merged(b));
        let (mut left, mut right) = (Vec::new(), Vec::new());
        flatten(&root_a, "", &mut left);
        flatten(&root_b, "", &mut right);
        let values = |leaves: &[(String, String)]| -> HashMap<String, String> {
            leaves.iter().cloned().collect()
        };
        let (in_left, in_right) = (values(&left), values(&right));
        let effective = |values: &HashMap<String, String>, root: &Table, path: &str| {
            let or_default = || answer(root, path).ok().and_then(|answer| answer.value);
            values.get(path).cloned().or_else(or_default)
        };
        let mut differences = Vec::new();
        for (path, _) in left.iter().chain(right.iter().filter(|(p, _)| !in_left.contains_key(p))) {
            let a = effective(&in_left, &root_a, path);
            let b = effective(&in_right, &root_b, path);
            if a != b {
                differences.push(Difference { path: path.clone(), a, b });
            }
        }
        differences
    }
}

/// What holds for a path of a merged tree.
fn answer(root: &Table, path: &str) -> Result<Answer, Box<Diagnostic>> {
    let parts = split_path(path);
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let about = lookup(&parts).map(|field| field.about);
    let (depth, known) = match find(root, &parts) {
        Ok(node) => {
            let origin = match &node.origin {
                Origin::Base => AnswerOrigin::Base,
                Origin::Environment(name) => AnswerOrigin::Environment(name.to_string()),
            };
            let value = Some(node.value.to_string());
            return Ok(Answer { value, origin, span: Some(node.span), about });
        }
        Err(missing) => missing,
    };
    // A default holds only inside of something that exists.
    if let Some(field) = lookup(&parts).filter(|_| exists_above(&parts, depth)) {
        let value = field.default.map(str::to_owned);
        return Ok(Answer { value, origin: AnswerOrigin::Default, span: None, about });
    }
    let missing = parts.get(depth).copied().unwrap_or_default();
    let above = parts.get(..depth).unwrap_or_default();
    let possible = possible(above);
    let mut names = possible.clone();
    names.extend(known.iter().map(String::as_str).filter(|name| !possible.contains(name)));
    let place = if above.is_empty() { String::new() } else { format!(" in `{}`", above.join(".")) };
    let message = format!("there is no `{missing}`{place}");
    let help = names::remedy(missing, &names, "nothing can be written there");
    Err(Box::new(Diagnostic::error("unknown-path", message).help(help)))
}

/// The node of a path; else how many parts were found and what stands at that point.
fn find<'a>(root: &'a Table, parts: &[&str]) -> Result<&'a Node, (usize, Vec<String>)> {
    let mut table = root;
    for (depth, part) in parts.iter().enumerate() {
        let Some(node) = table.get(part) else {
            return Err((depth, table.iter().map(|(key, _)| key.to_owned()).collect()));
        };
        if depth + 1 == parts.len() {
            return Ok(node);
        }
        let Value::Table(below) = &node.value else {
            return Err((depth + 1, Vec::new()));
        };
        table = below;
    }
    Err((0, Vec::new()))
}

/// Whether what is missing at this depth is a key, and not a section that would have to exist.
fn exists_above(parts: &[&str], depth: usize) -> bool {
    let Some(section) = parts.first().and_then(|name| SECTIONS.iter().find(|s| s.name == *name))
    else {
        return true;
    };
    let needed = match section.shape {
        Shape::Named(_) | Shape::Entries(_) | Shape::Variables(_) | Shape::Values => 2,
        Shape::Routes(..) if parts.get(2).is_some_and(|key| key.starts_with('/')) => 3,
        Shape::Routes(..) => 2,
        Shape::Single(_) => 0,
    };
    needed <= depth
}

/// The field that describes a path.
fn lookup(parts: &[&str]) -> Option<&'static Field> {
    let (first, rest) = parts.split_first()?;
    if rest.is_empty() {
        return field::named(FIELDS, first);
    }
    let section = SECTIONS.iter().find(|section| section.name == *first)?;
    match (section.shape, rest) {
        (Shape::Single(fields), path) => below(fields, path),
        (Shape::Routes(_, fields), [_, path, rest @ ..]) if path.starts_with('/') => {
            below(fields, rest)
        }
        (
            Shape::Named(fields)
            | Shape::Routes(fields, _)
            | Shape::Entries(fields)
            | Shape::Variables(fields),
            [_, path @ ..],
        ) => below(fields, path),
        _ => None,
    }
}

fn below(fields: &'static [Field], path: &[&str]) -> Option<&'static Field> {
    let (name, rest) = path.split_first()?;
    let field = field::named(fields, name)?;
    match field.syntax {
        _ if rest.is_empty() => Some(field),
        Syntax::Table(fields) | Syntax::Kind(fields) => below(fields, rest),
        _ => None,
    }
}

/// The keys that could be written below a path.
fn possible(parts: &[&str]) -> Vec<&'static str> {
    let fields: &'static [Field] = match parts {
        [] => {
            let names = SECTIONS.iter().map(|section| section.name);
            return FIELDS.iter().map(|field| field.name).chain(names).collect();
        }
        [section, rest @ ..] => {
            let Some(section) = SECTIONS.iter().find(|known| known.name == *section) else {
                return Vec::new();
            };
            match (section.shape, rest) {
                (Shape::Single(fields), [])
                | (Shape::Named(fields) | Shape::Entries(fields), [_]) => fields,
                (Shape::Routes(fields, _), [_]) => fields,
                (Shape::Routes(_, fields), [_, _]) => fields,
                _ => match lookup(parts).map(|field| field.syntax) {
                    Some(Syntax::Table(fields) | Syntax::Kind(fields)) => fields,
                    _ => &[],
                },
            }
        }
    };
    fields.iter().map(|field| field.name).collect()
}

/// Every value that is no table, with its path.
fn flatten(table: &Table, above: &str, leaves: &mut Vec<(String, String)>) {
    for (key, node) in table.iter().filter(|(key, _)| !key.starts_with("x-")) {
        let dot = if above.is_empty() { "" } else { "." };
        let path = format!("{above}{dot}{}", Key(key));
        match &node.value {
            Value::Table(below) => flatten(below, &path, leaves),
            value => leaves.push((path, value.to_string())),
        }
    }
}
