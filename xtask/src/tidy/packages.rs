//! The `Cargo.toml` of every crate, and the reasons for what they depend on.

use std::collections::BTreeSet;

use super::source::{code, has_word};
use super::{Finding, Repo, Rule};

const CRATES: &[&str] = &["crates/", "xtask/"];
const REASONS: &str = "docs/dependencies.md";

/// What is decided once, in the root.
const INHERITED: &[&str] = &[
    "version.workspace = true",
    "edition.workspace = true",
    "rust-version.workspace = true",
    "license.workspace = true",
    "publish.workspace = true",
    "[lints]\nworkspace = true",
];

const GOOD: &str = "[package]\nname = \"a\"\nversion.workspace = true\nedition.workspace = true\n\
    rust-version.workspace = true\nlicense.workspace = true\npublish.workspace = true\n\n[lints]\n\
    workspace = true\n\n[dependencies]\nserde.workspace = true\n";

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "inherited",
        remedy: "copy the head of another crate's Cargo.toml",
        check: inherited,
        wrong: &[("crates/a/Cargo.toml", "[package]\nname = \"a\"\nversion = \"1.0.0\"\n")],
        right: &[("crates/a/Cargo.toml", GOOD)],
    },
    Rule {
        name: "versions-in-one-place",
        remedy: "write the version in the root's [workspace.dependencies], `x.workspace = true` here",
        check: versions_in_one_place,
        wrong: &[("crates/a/Cargo.toml", "[dependencies]\nserde = \"1\"\n")],
        right: &[(
            "crates/a/Cargo.toml",
            "[dependencies]\nserde = { workspace = true, features = [\"rc\"] }\n",
        )],
    },
    Rule {
        name: "no-features",
        remedy: "decide; two builds of one program are two programs to test",
        check: no_features,
        wrong: &[("crates/a/Cargo.toml", "[features]\ndefault = []\n")],
        right: &[("crates/a/Cargo.toml", GOOD)],
    },
    Rule {
        name: "used-dependencies",
        remedy: "delete the line, or the crate that was to use it is missing",
        check: used_dependencies,
        wrong: &[("Cargo.toml", "[workspace.dependencies]\nserde = \"1\"\n")],
        right: &[
            ("Cargo.toml", "[workspace.dependencies]\nserde = \"1\"\n"),
            ("crates/a/Cargo.toml", GOOD),
        ],
    },
    Rule {
        name: "needed-dependencies",
        remedy: "delete the line",
        check: needed_dependencies,
        wrong: &[
            ("crates/a/Cargo.toml", "[dependencies]\nserde-json.workspace = true\n"),
            ("crates/a/src/lib.rs", "// serde_json\n"),
        ],
        right: &[
            ("crates/a/Cargo.toml", "[dependencies]\nserde-json.workspace = true\n"),
            ("crates/a/src/lib.rs", "use serde_json::Value;\n"),
        ],
    },
    Rule {
        name: "explained-dependencies",
        remedy: "say in docs/dependencies.md, in one row each, why the workspace depends on what it \
                 depends on, and on nothing else",
        check: explained_dependencies,
        wrong: &[("Cargo.toml", "[workspace.dependencies]\nserde = \"1\"\n"), (REASONS, "")],
        right: &[
            ("Cargo.toml", "[workspace.dependencies]\nserde = \"1\"\nbase = { path = \"b\" }\n"),
            (REASONS, "| `serde` | reads and writes JSON |\n"),
        ],
    },
];

/// A line of a `Cargo.toml` that names another crate.
pub(super) struct Dependency {
    pub(super) name: String,
    pub(super) line: usize,
    value: String,
}

/// The dependencies of any kind that a `Cargo.toml` declares.
pub(super) fn dependencies(text: &str) -> Vec<Dependency> {
    let mut found = Vec::new();
    let mut inside = false;
    for (number, line) in (1..).zip(text.lines().map(str::trim)) {
        if let Some(header) = line.strip_prefix('[') {
            inside = header.trim_end_matches(']').ends_with("dependencies");
            continue;
        }
        let Some((key, value)) = line.split_once('=') else { continue };
        if !inside || line.starts_with('#') {
            continue;
        }
        let (name, rest) = key.trim().split_once('.').unwrap_or((key.trim(), ""));
        let value = format!("{rest} {}", value.trim());
        found.push(Dependency { name: name.to_owned(), line: number, value });
    }
    found
}

fn inherited(repo: &Repo) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in repo.select(CRATES, "Cargo.toml") {
        for line in INHERITED.iter().filter(|line| !text.contains(**line)) {
            findings.push(Finding::new(
                path,
                1,
                format!("`{}` is missing", line.replace('\n', " ")),
            ));
        }
    }
    findings
}

fn versions_in_one_place(repo: &Repo) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in repo.select(CRATES, "Cargo.toml") {
        for dependency in dependencies(text) {
            let inherits = ["workspace true", "workspace = true"];
            if !inherits.iter().any(|words| dependency.value.contains(words)) {
                let message = format!("`{}` does not come from the workspace", dependency.name);
                findings.push(Finding::new(path, dependency.line, message));
            }
        }
    }
    findings
}

fn no_features(repo: &Repo) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in repo.select(CRATES, "Cargo.toml") {
        for (number, line) in (1..).zip(text.lines()) {
            if line.trim() == "[features]" {
                findings.push(Finding::new(path, number, "a crate of ours has Cargo features"));
            }
        }
    }
    findings
}

fn used_dependencies(repo: &Repo) -> Vec<Finding> {
    let crates = repo.select(CRATES, "Cargo.toml");
    let used: BTreeSet<String> =
        crates.flat_map(|(_, text)| dependencies(text)).map(|dependency| dependency.name).collect();
    let mut findings = Vec::new();
    for dependency in workspace_dependencies(repo) {
        if !used.contains(&dependency.name) {
            let message = format!("no crate uses `{}`", dependency.name);
            findings.push(Finding::new("Cargo.toml", dependency.line, message));
        }
    }
    findings
}

fn needed_dependencies(repo: &Repo) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in repo.select(CRATES, "Cargo.toml") {
        let sources = [path.trim_end_matches("Cargo.toml")];
        let sources: Vec<String> =
            repo.select(&sources, ".rs").map(|(_, text)| code(text)).collect();
        for dependency in dependencies(text) {
            let name = dependency.name.replace('-', "_");
            if !sources.iter().any(|source| has_word(source, &name)) {
                let message = format!("no file of this crate uses `{}`", dependency.name);
                findings.push(Finding::new(path, dependency.line, message));
            }
        }
    }
    findings
}

fn explained_dependencies(repo: &Repo) -> Vec<Finding> {
    let reasons = repo.texts.get(REASONS).map_or("", String::as_str);
    let rows: Vec<(usize, &str, &str)> =
        (1..).zip(reasons.lines()).filter_map(|(number, line)| row(number, line)).collect();
    let declared = workspace_dependencies(repo);
    let external: Vec<&Dependency> =
        declared.iter().filter(|dependency| !dependency.value.contains("path =")).collect();

    let mut findings = Vec::new();
    for dependency in &external {
        if !rows.iter().any(|(_, name, why)| *name == dependency.name && !why.is_empty()) {
            let message = format!("{REASONS} does not say why `{}` is there", dependency.name);
            findings.push(Finding::new("Cargo.toml", dependency.line, message));
        }
    }
    for (number, name, _) in &rows {
        if !external.iter().any(|dependency| dependency.name == *name) {
            findings.push(Finding::new(REASONS, *number, format!("nothing depends on `{name}`")));
        }
    }
    findings
}

fn workspace_dependencies(repo: &Repo) -> Vec<Dependency> {
    repo.texts.get("Cargo.toml").map_or_else(Vec::new, |text| dependencies(text))
}

/// Number, name and reason of a row like ``| `name` | reason |``.
fn row(number: usize, line: &str) -> Option<(usize, &str, &str)> {
    let (name, why) = line.strip_prefix("| `")?.split_once("` |")?;
    Some((number, name, why.trim_matches([' ', '|'])))
}

#[test]
fn dependencies_are_read_in_each_of_their_forms() {
    let text = "[package]\nname = \"a\"\n[dependencies]\nb.workspace = true\nc = { path = \"c\" }\n\
        [target.'cfg(unix)'.dev-dependencies]\nd = \"1\"\n[lints]\nworkspace = true\n";
    let found: Vec<(String, usize)> =
        dependencies(text).into_iter().map(|found| (found.name, found.line)).collect();
    let expected = [("b", 4), ("c", 5), ("d", 7)].map(|(name, line)| (name.to_owned(), line));
    assert_eq!(found, expected);
}
