//! What a reader may rely on everywhere in this repository, as tests: `cargo test -p xtask`.
//!
//! Here stands what neither the compiler nor clippy can see: which crate may know which, what a
//! file must begin with, that a document names files that exist. A rule carries its own proof: a
//! sample that it must refuse and one that it must accept. It reads text and knows no syntax beyond
//! comments and literals; where that is not enough, leave the case to a reviewer.

mod code;
mod documents;
mod layers;
mod modules;
mod packages;
mod source;
mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs;

use crate::programs;

/// The tracked files of a repository.
#[derive(Default)]
struct Repo {
    /// All of them, by path from the root.
    paths: BTreeSet<String>,
    /// The content of those that are text.
    texts: BTreeMap<String, String>,
}

/// One habit of this repository.
struct Rule {
    name: &'static str,
    /// What to do about a finding, as an imperative sentence.
    remedy: &'static str,
    check: fn(&Repo) -> Vec<Finding>,
    /// Files that together break the rule.
    wrong: &'static [(&'static str, &'static str)],
    /// Files that come close and do not.
    right: &'static [(&'static str, &'static str)],
}

/// A place that breaks a rule.
struct Finding {
    file: String,
    /// From 1.
    line: usize,
    message: String,
}

impl Finding {
    fn new(file: &str, line: usize, message: impl Into<String>) -> Self {
        Self { file: file.to_owned(), line, message: message.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.message)
    }
}

impl Repo {
    /// What git tracks and what is still there: a file about to be deleted breaks no rule.
    fn tracked() -> Self {
        let root = programs::root();
        // In CI the checkout may belong to somebody else, which git refuses unless told.
        let list = ["git", "-c", "safe.directory=*", "ls-files", "-z"];
        let listed = programs::capture(&mut programs::command("", &list))
            .expect("the repository is a git repository");
        let mut repo = Self::default();
        for path in listed.split_terminator('\0') {
            let Ok(bytes) = fs::read(root.join(path)) else { continue };
            repo.paths.insert(path.to_owned());
            if let Ok(text) = String::from_utf8(bytes) {
                repo.texts.insert(path.to_owned(), text);
            }
        }
        repo
    }

    fn of(files: &[(&str, &str)]) -> Self {
        let owned = |(path, text): &(&str, &str)| ((*path).to_owned(), (*text).to_owned());
        Self {
            paths: files.iter().map(|(path, _)| (*path).to_owned()).collect(),
            texts: files.iter().map(owned).collect(),
        }
    }

    /// The text files whose path starts with one of `starts` and ends with `end`.
    fn select(&self, starts: &[&str], end: &str) -> impl Iterator<Item = (&str, &str)> {
        let chosen = move |path: &str| {
            path.ends_with(end) && starts.iter().any(|start| path.starts_with(start))
        };
        let all = self.texts.iter().map(|(path, text)| (path.as_str(), text.as_str()));
        all.filter(move |(path, _)| chosen(path))
    }

    /// Our own Rust: the example is written like a user's application, not like ours.
    fn rust(&self) -> impl Iterator<Item = (&str, &str)> {
        self.select(&["crates/", "xtask/", "fuzz/"], ".rs")
    }
}

fn rules() -> impl Iterator<Item = &'static Rule> {
    [layers::RULES, packages::RULES, modules::RULES, code::RULES, text::RULES, documents::RULES]
        .into_iter()
        .flatten()
}

#[test]
fn the_repository_keeps_every_rule() {
    let repo = Repo::tracked();
    let mut complaints = Vec::new();
    for rule in rules() {
        let findings = (rule.check)(&repo);
        if findings.is_empty() {
            continue;
        }
        let places = findings.iter().map(ToString::to_string);
        let remedy = format!("  = {}: {}\n", rule.name, rule.remedy);
        complaints.extend(places.chain([remedy]));
    }
    assert!(complaints.is_empty(), "\n{}", complaints.join("\n"));
}

#[test]
fn every_rule_refuses_its_wrong_sample() {
    for rule in rules() {
        let findings = (rule.check)(&Repo::of(rule.wrong));
        assert!(!findings.is_empty(), "`{}` lets its wrong sample pass", rule.name);
    }
}

#[test]
fn every_rule_accepts_its_right_sample() {
    for rule in rules() {
        let findings = (rule.check)(&Repo::of(rule.right));
        let shown: Vec<String> = findings.iter().map(ToString::to_string).collect();
        assert!(shown.is_empty(), "`{}` refuses its right sample: {shown:?}", rule.name);
    }
}

#[test]
fn names_of_rules_are_unique() {
    let names: BTreeSet<&str> = rules().map(|rule| rule.name).collect();
    assert_eq!(names.len(), rules().count());
}
