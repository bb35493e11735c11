//! Every tracked file: what it may contain, and which files there may be.
//!
//! Words that are forbidden everywhere are written here in two halves.

use super::source::has_word;
use super::{Finding, Repo, Rule};

/// What stands in the root; whatever else there is has a better place.
const ROOT: &[&str] = &[
    ".cargo",
    ".ci",
    ".gitignore",
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "clippy.toml",
    "crates",
    "docs",
    "examples",
    "fuzz",
    "rustfmt.toml",
    "xtask",
];

/// Directories and endings of what a program makes from something else that is tracked.
const GENERATED: &[&str] =
    &["target", "node_modules", "dist", ".next", ".mainstay", "__pycache__", ".DS_Store"];
const GENERATED_ENDINGS: &[&str] =
    &[".orig", ".rej", ".log", ".profraw", ".snap.new", ".tsbuildinfo", ".swp", ".pyc"];

/// Files whose text is somebody else's, or wrong on purpose.
const FOREIGN: &[&str] = &[
    "/fixtures/",
    "/corpus/",
    "/snapshots/",
    "/data/",
    "LICENSE",
    "Cargo.lock",
    "package-lock.json",
];

/// Names of download hosts: a user's or a company's own mirror must work as well.
const HOSTS: &[&str] = &[
    concat!("registry.", "npmjs.org"),
    concat!("registry.", "yarnpkg.com"),
    concat!("index.", "crates.io"),
    concat!("static.", "crates.io"),
    concat!("deb.", "debian.org"),
    concat!("archive.", "ubuntu.com"),
    concat!("pypi.", "org"),
    concat!("proxy.", "golang.org"),
];

/// Places that exist on the machine of one person.
const PLACES: &[&str] = &[
    concat!("/wo", "rk/"),
    concat!("/ro", "ot/"),
    concat!("/tmp/", "target"),
    concat!("/ho", "me/"),
    concat!("/Us", "ers/"),
];

const NOT_NOW: &[&str] = &[concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X")];

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "trailing-space",
        remedy: "delete it",
        check: |repo| {
            search(repo, "space at the end of a line", |line| line.ends_with([' ', '\t', '\r']))
        },
        wrong: &[("docs/a.md", "A line. \n")],
        right: &[("docs/a.md", "A line.\n")],
    },
    Rule {
        name: "final-newline",
        remedy: "end the file with exactly one line break",
        check: final_newline,
        wrong: &[("docs/a.md", "A line.")],
        right: &[("docs/a.md", "A line.\n"), ("docs/b.md", "")],
    },
    Rule {
        name: "no-promises",
        remedy: "do it, or write an issue",
        check: |repo| {
            search(repo, "work left for later", |line| {
                NOT_NOW.iter().any(|word| has_word(line, word))
            })
        },
        wrong: &[("docs/a.md", concat!("TO", "DO: more\n"))],
        right: &[("docs/a.md", concat!("TO", "DOS\n"))],
    },
    Rule {
        name: "no-hosts",
        remedy: "leave it to the package manager's own settings",
        check: |repo| {
            search(repo, "a download host", |line| HOSTS.iter().any(|host| line.contains(host)))
        },
        wrong: &[("docs/a.md", concat!("https://registry.", "npmjs.org/\n"))],
        right: &[("docs/a.md", "https://example.com/\n")],
    },
    Rule {
        name: "no-download-addresses",
        remedy: "put `omit-lockfile-registry-resolved=true` into .npmrc and run `npm install`",
        check: download_addresses,
        wrong: &[("a/package-lock.json", "{\n  \"resolved\": \"https://example.com/a.tgz\"\n}\n")],
        right: &[("a/package-lock.json", "{\n  \"version\": \"1.0.0\"\n}\n")],
    },
    Rule {
        name: "no-machine-paths",
        remedy: "name it relative to the repository, or ask the system",
        check: |repo| {
            search(repo, "a path of one machine", |line| {
                PLACES.iter().any(|place| line.contains(place))
            })
        },
        wrong: &[("docs/a.md", concat!("in /ro", "ot/mainstay\n"))],
        right: &[("docs/a.md", "in /usr/lib/postgresql\n")],
    },
    Rule {
        name: "nothing-generated",
        remedy: "remove it from git and add it to .gitignore",
        check: generated,
        wrong: &[("crates/mainstay/console/dist/index.html", "")],
        right: &[("crates/mainstay/console/index.html", "")],
    },
    Rule {
        name: "root",
        remedy: "find it a place in docs, crates or xtask, or extend this rule's list",
        check: root,
        wrong: &[("notes.txt", "")],
        right: &[("docs/notes.md", ""), ("README.md", "")],
    },
];

fn search(repo: &Repo, what: &str, matches: impl Fn(&str) -> bool) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in ours(repo) {
        for (number, line) in (1..).zip(text.split('\n')) {
            if matches(line) {
                findings.push(Finding::new(path, number, what));
            }
        }
    }
    findings
}

fn ours(repo: &Repo) -> impl Iterator<Item = (&str, &str)> {
    repo.select(&[""], "").filter(|(path, _)| !FOREIGN.iter().any(|part| path.contains(part)))
}

fn final_newline(repo: &Repo) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in ours(repo) {
        let ends_well = text.ends_with('\n') && !text.ends_with("\n\n");
        if !text.is_empty() && !ends_well {
            findings.push(Finding::new(
                path,
                text.lines().count(),
                "not one line break at the end",
            ));
        }
    }
    findings
}

fn download_addresses(repo: &Repo) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in repo.select(&[""], "package-lock.json") {
        for (number, line) in (1..).zip(text.lines()) {
            if line.contains("\"resolved\":") {
                findings.push(Finding::new(path, number, "says where a package was downloaded"));
            }
        }
    }
    findings
}

fn generated(repo: &Repo) -> Vec<Finding> {
    let mut findings = Vec::new();
    for path in &repo.paths {
        let within = path.split('/').any(|part| GENERATED.contains(&part));
        if within || GENERATED_ENDINGS.iter().any(|end| path.ends_with(end)) {
            findings.push(Finding::new(path, 1, "a generated file is tracked"));
        }
    }
    findings
}

fn root(repo: &Repo) -> Vec<Finding> {
    let mut findings = Vec::new();
    for path in &repo.paths {
        let first = path.split('/').next().unwrap_or(path);
        if !ROOT.contains(&first) {
            findings.push(Finding::new(path, 1, format!("`{first}` is new in the root")));
        }
    }
    findings
}
