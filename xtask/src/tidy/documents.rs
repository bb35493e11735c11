//! Documents name what exists. Prose is for reviewers; names are for us.

use super::{Finding, Repo, Rule};

/// What a path of this repository starts with.
const TREES: &[&str] = &[".cargo/", ".ci/", "crates/", "docs/", "examples/", "fuzz/", "xtask/"];

/// Where commands are, one file each.
const COMMANDS: &str = "crates/mainstay/src/commands/";

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "commands-in-documents",
        remedy: "name a command that exists; one file in crates/mainstay/src/commands each",
        check: commands,
        wrong: &[("README.md", "```sh\nmainstay rise\n```\nor `mainstay fall --data`\n")],
        right: &[
            ("README.md", "```sh\nmainstay up   # all\n```\n`mainstay --help`, mainstay rises.\n"),
            ("crates/mainstay/src/commands/up.rs", ""),
        ],
    },
    Rule {
        name: "paths-in-documents",
        remedy: "correct the path, or do not write about what is not there yet",
        check: paths,
        wrong: &[("docs/a.md", "See `crates/plan/src/gone.rs`.\n")],
        right: &[
            ("docs/a.md", "`crates/a/src/b.rs:12`, `crates/a/`, `crates/*/src`, `cargo xtask`.\n"),
            ("crates/a/src/b.rs", ""),
        ],
    },
    Rule {
        name: "links-in-documents",
        remedy: "correct the link",
        check: links,
        wrong: &[("docs/a.md", "See [b](b.md).\n")],
        right: &[
            ("docs/a.md", "[b](../b.md#part), [c](https://example.com), [d](#d), `[x](y)`.\n"),
            ("b.md", ""),
        ],
    },
];

fn paths(repo: &Repo) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, number, line) in prose(repo) {
        for span in line.split('`').skip(1).step_by(2) {
            let path = span.split(':').next().unwrap_or(span).trim_end_matches('/');
            let ours = TREES.iter().any(|tree| path.starts_with(tree)) && !path.contains(' ');
            if ours && !exists(repo, path) {
                findings.push(Finding::new(file, number, format!("`{path}` does not exist")));
            }
        }
    }
    findings
}

fn links(repo: &Repo) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, number, line) in prose(repo) {
        let outside_code: String = line.split('`').step_by(2).collect();
        for rest in outside_code.split("](").skip(1) {
            let target = rest.split([')', '#']).next().unwrap_or(rest);
            let outside =
                target.is_empty() || target.contains("://") || target.starts_with("mailto:");
            if !outside && !exists(repo, &resolved(file, target)) {
                findings.push(Finding::new(file, number, format!("`{target}` does not exist")));
            }
        }
    }
    findings
}

fn commands(repo: &Repo) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (file, text) in repo.select(&["README.md", "docs/guides/", "examples/"], ".md") {
        for (number, line) in (1..).zip(text.lines()) {
            let spans = line.split('`').skip(1).step_by(2);
            for span in spans.chain([line]) {
                let Some(rest) = span.strip_prefix("mainstay ") else { continue };
                let name: String = rest.chars().take_while(char::is_ascii_lowercase).collect();
                let known = repo.paths.contains(&format!("{COMMANDS}{name}.rs"));
                if !name.is_empty() && !known {
                    findings.push(Finding::new(file, number, format!("no command `{name}`")));
                }
            }
        }
    }
    findings
}

/// The lines of all documents that do not stand in a fenced block.
fn prose(repo: &Repo) -> Vec<(&str, usize, &str)> {
    let mut lines = Vec::new();
    for (file, text) in repo.select(&[""], ".md").filter(|(file, _)| !file.contains("/fixtures/")) {
        let mut fenced = false;
        for (number, line) in (1..).zip(text.lines()) {
            if line.trim_start().starts_with("```") {
                fenced = !fenced;
            } else if !fenced {
                lines.push((file, number, line));
            }
        }
    }
    lines
}

/// Whether a file or directory is tracked; up to its first variable part, if it has one.
fn exists(repo: &Repo, path: &str) -> bool {
    if let Some((fixed, _)) = path.split_once(['*', '<', '{', '…']) {
        return repo.paths.iter().any(|tracked| tracked.starts_with(fixed));
    }
    let directory = format!("{}/", path.trim_end_matches('/'));
    repo.paths.contains(path) || repo.paths.iter().any(|tracked| tracked.starts_with(&directory))
}

/// What a relative link in `file` points to.
fn resolved(file: &str, target: &str) -> String {
    let mut parts: Vec<&str> = file.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "." | "" => {}
            ".." => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    parts.join("/")
}
