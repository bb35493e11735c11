//! Habits of code that clippy has no lint for.

use super::source::{code, has_word};
use super::{Finding, Repo, Rule};

/// Crates that may write to the terminal.
const PRINTERS: &[&str] = &["crates/mainstay/", "xtask/"];

/// Programs beside a crate that talk to cargo, or to whoever runs a test or a measurement.
const TALKERS: &[&str] = &["/tests/", "/benches/", "/examples/", "/build.rs"];

/// How far above a sleep the function that polls may begin.
const POLLING_FUNCTION: usize = 25;

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "expect",
        remedy: "write `#[expect(lint, reason = \"…\")]`, which complains when it is not needed",
        check: |repo| search(repo, "an `allow` attribute", allows),
        wrong: &[("crates/a/src/lib.rs", "#[allow(dead_code)]\nfn f() {}\n")],
        right: &[("crates/a/src/lib.rs", "// #[allow]\nfn f() { policy.allow(1) }\n")],
    },
    Rule {
        name: "no-ignored-tests",
        remedy: "run the test or delete it; what needs a program fails and names it",
        check: |repo| search(repo, "an ignored test", |line| line.contains("#[ignore")),
        wrong: &[("crates/a/src/lib.rs", "#[test]\n#[ignore = \"slow\"]\nfn f() {}\n")],
        right: &[("crates/a/src/lib.rs", "#[test]\nfn it_is_not_ignored() {}\n")],
    },
    Rule {
        name: "no-should-panic",
        remedy: "return an error and compare it; a panic may come from anywhere",
        check: |repo| search(repo, "`should_panic`", |line| line.contains("#[should_panic")),
        wrong: &[("crates/a/src/lib.rs", "#[should_panic(expected = \"x\")]\nfn f() {}\n")],
        right: &[("crates/a/src/lib.rs", "// #[should_panic]\n")],
    },
    Rule {
        name: "prints",
        remedy: "return it; `mainstay` alone decides what is shown, and where",
        check: prints,
        wrong: &[("crates/a/src/lib.rs", "fn f() { eprintln!(\"x\") }\n")],
        right: &[
            ("crates/mainstay/src/main.rs", "fn f() { println!(\"x\") }\n"),
            ("crates/a/src/lib.rs", "fn f() { sprintln() }\n"),
        ],
    },
    Rule {
        name: "no-sleeping",
        remedy: "wait for what you wait for, in a function called `wait_…` or `until_…` that gives \
                 up at a deadline",
        check: sleeping,
        wrong: &[("crates/a/src/lib.rs", "fn started() {\n    thread::sleep(A_WHILE);\n}\n")],
        right: &[(
            "crates/a/src/lib.rs",
            "fn wait_for(file: &Path) {\n    loop {\n        thread::sleep(A_MOMENT);\n    }\n}\n",
        )],
    },
];

fn search(repo: &Repo, what: &str, matches: fn(&str) -> bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in repo.rust() {
        for (number, line) in (1..).zip(code(text).lines()) {
            if matches(line) {
                findings.push(Finding::new(path, number, what));
            }
        }
    }
    findings
}

fn allows(line: &str) -> bool {
    line.contains('#') && line.contains('[') && line.contains("allow(") && has_word(line, "allow")
}

fn prints(repo: &Repo) -> Vec<Finding> {
    let mut findings = search(repo, "a crate that prints", |line| {
        ["println!", "eprintln!", "print!", "eprint!", "dbg!"]
            .iter()
            .any(|name| has_word(line, name.trim_end_matches('!')) && line.contains(name))
    });
    findings.retain(|found| !PRINTERS.iter().any(|printer| found.file.starts_with(printer)));
    findings.retain(|found| !TALKERS.iter().any(|part| found.file.contains(part)));
    findings
}

fn sleeping(repo: &Repo) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in repo.rust() {
        let code = code(text);
        let lines: Vec<&str> = code.lines().collect();
        for (at, line) in lines.iter().enumerate() {
            if line.contains("thread::sleep(")
                && !polls(&lines[at.saturating_sub(POLLING_FUNCTION)..at])
            {
                findings.push(Finding::new(path, at + 1, "sleeps and hopes"));
            }
        }
    }
    findings
}

/// Whether the nearest function above says by its name that it waits.
fn polls(above: &[&str]) -> bool {
    let name = above.iter().rev().find_map(|line| line.split_once("fn ").map(|split| split.1));
    name.is_some_and(|name| {
        ["wait", "until", "poll", "pause", "eventually"].iter().any(|word| name.starts_with(word))
    })
}
