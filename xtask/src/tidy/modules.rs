//! Files as a reader meets them: a header that says what for, a size to be read at once, a name
//! that says something, and none that the compiler never sees.

use std::collections::BTreeSet;

use super::source::{code, lines_before_tests};
use super::{Finding, Repo, Rule};

const MOST_LINES: usize = 500;
const MOST_COLUMNS: usize = 100;

/// Names under which anything can be put, and therefore nothing found.
const NAMES_THAT_SAY_NOTHING: &[&str] = &[
    "common", "data", "errors", "handler", "helper", "helpers", "imp", "info", "manager", "misc",
    "types", "util", "utils",
];

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "header",
        remedy: "begin the file with `//!` and a sentence that says what the file is for",
        check: header,
        wrong: &[("crates/a/src/lib.rs", "//! the things\n\nfn f() {}\n")],
        right: &[("crates/a/src/lib.rs", "//! `Route`, which is\n//! intent.\n//!\n//! And\n")],
    },
    Rule {
        name: "length",
        remedy: "look for the second subject in the file; do not cut in the middle",
        check: length,
        wrong: &[("crates/a/src/lib.rs", LONG)],
        right: &[("crates/a/src/lib.rs", "//! Short.\n")],
    },
    Rule {
        name: "columns",
        remedy: "break the line",
        check: columns,
        wrong: &[("crates/a/src/lib.rs", WIDE)],
        right: &[("crates/a/src/lib.rs", WIDE_LITERAL)],
    },
    Rule {
        name: "no-mod-rs",
        remedy: "call it `x.rs`, beside the directory `x`",
        check: no_mod_rs,
        wrong: &[("crates/a/src/b/mod.rs", "")],
        right: &[("crates/a/src/b.rs", "")],
    },
    Rule {
        name: "names",
        remedy: "name the file after the noun it is about",
        check: names,
        wrong: &[("crates/a/src/utils.rs", "")],
        right: &[("crates/a/src/route.rs", "")],
    },
    Rule {
        name: "declared",
        remedy: "declare it with `mod`, or delete it",
        check: declared,
        wrong: &[("crates/a/src/lib.rs", "// mod b;\n"), ("crates/a/src/b.rs", "")],
        right: &[
            ("crates/a/src/lib.rs", "pub(crate) mod b;\n"),
            ("crates/a/src/b.rs", "mod c;\n#[path = \"e.rs\"]\nmod d;\n"),
            ("crates/a/src/b/c.rs", ""),
            ("crates/a/src/e.rs", ""),
            ("crates/a/tests/it/main.rs", "mod f;\n"),
            ("crates/a/tests/it/f.rs", ""),
        ],
    },
];

const LONG: &str = {
    const BYTES: [u8; MOST_LINES + 1] = [b'\n'; MOST_LINES + 1];
    match std::str::from_utf8(&BYTES) {
        Ok(text) => text,
        Err(_) => "",
    }
};

const WIDE: &str = "fn a_name_that_goes_on_and_on_and_on_and_on_and_on() -> AndATypeThatGoesOnAndOnAndOnAndOnAndOnAndOn {}\n";
const WIDE_LITERAL: &str = "const A: &str = \"a literal that is long, which rustfmt leaves alone, as it should, and so do we\";\n";

fn header(repo: &Repo) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in repo.rust() {
        let lines = text.lines().map_while(|line| line.strip_prefix("//! "));
        let paragraph = lines.collect::<Vec<_>>().join(" ");
        if !paragraph.ends_with(['.', '?', '!']) {
            findings.push(Finding::new(
                path,
                1,
                "no header, or its first paragraph is no sentence",
            ));
        } else if paragraph.starts_with(char::is_lowercase) {
            findings.push(Finding::new(path, 1, "the header starts with a small letter"));
        }
    }
    findings
}

fn length(repo: &Repo) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in repo.rust() {
        let lines = lines_before_tests(&code(text));
        if MOST_LINES < lines {
            let message = format!("{lines} lines before the tests, {MOST_LINES} at most");
            findings.push(Finding::new(path, lines, message));
        }
    }
    findings
}

/// Literals are exempt, since rustfmt does not break them, and so are addresses.
fn columns(repo: &Repo) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in repo.rust() {
        let code = code(text);
        for ((number, line), code) in (1..).zip(text.lines()).zip(code.lines()) {
            let comment = line.trim_start().starts_with("//");
            let within_literal = !comment && (code.trim().is_empty() || line.contains('"'));
            let exempt = within_literal || line.contains("://");
            if MOST_COLUMNS < line.chars().count() && !exempt {
                findings.push(Finding::new(path, number, format!("over {MOST_COLUMNS} columns")));
            }
        }
    }
    findings
}

fn no_mod_rs(repo: &Repo) -> Vec<Finding> {
    let is_mod = |path: &&str| path.ends_with("/mod.rs");
    let paths = repo.rust().map(|(path, _)| path);
    paths.filter(is_mod).map(|path| Finding::new(path, 1, "`mod.rs` names nothing")).collect()
}

fn names(repo: &Repo) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, _) in repo.rust() {
        let name = path.rsplit('/').next().unwrap_or(path).trim_end_matches(".rs");
        if NAMES_THAT_SAY_NOTHING.contains(&name) {
            findings.push(Finding::new(path, 1, format!("`{name}` says nothing")));
        }
    }
    findings
}

fn declared(repo: &Repo) -> Vec<Finding> {
    let mut reached = BTreeSet::new();
    let mut waiting: Vec<String> =
        repo.rust().map(|(path, _)| path).filter(|path| is_root(path)).map(str::to_owned).collect();
    while let Some(path) = waiting.pop() {
        let Some(text) = repo.texts.get(&path) else { continue };
        waiting.extend(children(&path, text));
        reached.insert(path);
    }
    let unreached = repo.rust().map(|(path, _)| path).filter(|path| !reached.contains(*path));
    unreached.map(|path| Finding::new(path, 1, "no `mod` line leads to this file")).collect()
}

/// Whether cargo itself finds the file.
fn is_root(path: &str) -> bool {
    let parts: Vec<&str> = path.split('/').collect();
    matches!(
        parts.as_slice(),
        [.., "src", "lib.rs" | "main.rs"]
            | [.., "build.rs"]
            | [.., "src", "bin", _]
            | [.., "fuzz_targets", _]
            | ["crates", _, "tests" | "benches" | "examples", _]
            | ["crates", _, "tests" | "benches" | "examples", _, "main.rs"]
    )
}

/// The files that the `mod` lines of a file lead to.
fn children(path: &str, text: &str) -> Vec<String> {
    let (directory, file) = path.rsplit_once('/').unwrap_or(("", path));
    let below = match file {
        "lib.rs" | "main.rs" | "build.rs" => directory.to_owned(),
        _ if is_root(path) => directory.to_owned(),
        _ => format!("{directory}/{}", file.trim_end_matches(".rs")),
    };
    let code = code(text);
    let mut found = Vec::new();
    let mut place = None;
    for (line, code) in text.lines().zip(code.lines()) {
        let written = line.trim().strip_prefix("#[path = \"");
        if let Some((written, _)) = written.and_then(|rest| rest.split_once('"')) {
            place = Some(normal(&format!("{directory}/{written}")));
            continue;
        }
        let statement = code.trim();
        let Some(name) = statement.strip_suffix(';').and_then(after_mod) else { continue };
        found.push(place.take().unwrap_or_else(|| format!("{below}/{name}.rs")));
    }
    found
}

fn after_mod(statement: &str) -> Option<&str> {
    let (visibility, name) = statement.rsplit_once("mod ")?;
    let visibility = visibility.trim();
    (visibility.is_empty() || visibility.starts_with("pub")).then_some(name.trim())
}

/// A path without `..`.
fn normal(path: &str) -> String {
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            ".." => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    parts.join("/")
}
