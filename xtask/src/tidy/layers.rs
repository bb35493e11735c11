//! Which crate may know which: down only, never sideways. The picture is in ARCHITECTURE.md.

use super::packages::dependencies;
use super::source::{code, has_word, product_lines};
use super::{Finding, Repo, Rule};

/// The layer of every crate; those of one layer do not know each other.
const LAYERS: &[(&str, u8)] = &[
    ("base", 0),
    ("manifest", 1),
    ("plan", 2),
    ("runtime", 2),
    ("alert", 3),
    ("backup", 3),
    ("gateway", 3),
    ("inspect", 3),
    ("loadtest", 3),
    ("render", 3),
    ("supervisor", 3),
    ("telemetry", 3),
    ("trust", 3),
    ("control", 4),
    ("mainstay", 5),
];

/// Crates that compute and do nothing else.
const PURE: &[&str] = &["crates/base/src/", "crates/manifest/src/", "crates/plan/src/"];

/// Ways out of a computation. Addresses of `std::net` are values and therefore not among them.
const IMPURE: &[&str] = &[
    "std::fs",
    "std::env",
    "std::process",
    "std::thread",
    "tokio",
    "TcpListener",
    "TcpStream",
    "ToSocketAddrs",
    "UdpSocket",
    "UnixStream",
    "Instant::now",
    "SystemTime::now",
];

/// The files that talk to the kernel in ways that no safe library offers.
const UNSAFE: &[&str] = &["crates/supervisor/src/sys.rs", "crates/gateway/src/socket.rs"];

pub(super) const RULES: &[Rule] = &[
    Rule {
        name: "layers",
        remedy: "depend on a lower layer only; declare what you need from a sibling as a trait of \
                 your own, and let `control` connect the two",
        check: layers,
        wrong: &[("crates/gateway/Cargo.toml", "[dependencies]\nsupervisor.workspace = true\n")],
        right: &[("crates/gateway/Cargo.toml", "[dependencies]\nplan.workspace = true\n")],
    },
    Rule {
        name: "runtime-is-for-engines",
        remedy: "keep tasks and sockets out of the pure layers",
        check: runtime_knows_base_only,
        wrong: &[("crates/runtime/Cargo.toml", "[dependencies]\nmanifest.workspace = true\n")],
        right: &[("crates/runtime/Cargo.toml", "[dependencies]\nbase.workspace = true\n")],
    },
    Rule {
        name: "purity",
        remedy: "take the value as an argument; files, clocks and sockets belong to layers 3 to 5",
        check: purity,
        wrong: &[("crates/plan/src/lib.rs", "fn now() -> Instant { Instant::now() }\n")],
        right: &[(
            "crates/plan/src/lib.rs",
            "use std::net::SocketAddr;\n// std::fs is not for us\n#[cfg(test)]\nmod tests {\n    use std::fs;\n}\n",
        )],
    },
    Rule {
        name: "unsafe",
        remedy: "put it into one of the two files that may, behind a safe function",
        check: unsafe_code,
        wrong: &[("crates/control/src/lib.rs", "fn f() { unsafe { g() } }\n")],
        right: &[("crates/supervisor/src/sys.rs", "fn f() { unsafe { g() } }\n")],
    },
];

fn layer(name: &str) -> Option<u8> {
    LAYERS.iter().find(|(crate_, _)| *crate_ == name).map(|(_, layer)| *layer)
}

fn layers(repo: &Repo) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in repo.select(&["crates/"], "/Cargo.toml") {
        let name = path.trim_start_matches("crates/").trim_end_matches("/Cargo.toml");
        let Some(own) = layer(name) else {
            findings.push(Finding::new(path, 1, format!("`{name}` has no layer in this rule")));
            continue;
        };
        for dependency in dependencies(text) {
            if layer(&dependency.name).is_some_and(|layer| own <= layer) {
                let message = format!("`{name}` must not know `{}`", dependency.name);
                findings.push(Finding::new(path, dependency.line, message));
            }
        }
    }
    findings
}

fn runtime_knows_base_only(repo: &Repo) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in repo.select(&["crates/runtime/"], "/Cargo.toml") {
        for dependency in dependencies(text) {
            if layer(&dependency.name).is_some_and(|layer| 0 < layer) {
                let message = format!("`runtime` must not know `{}`", dependency.name);
                findings.push(Finding::new(path, dependency.line, message));
            }
        }
    }
    findings
}

fn purity(repo: &Repo) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in repo.select(PURE, ".rs") {
        for (number, line) in product_lines(&code(text)) {
            for way in IMPURE.iter().filter(|way| has_word(line, way)) {
                findings.push(Finding::new(path, number, format!("`{way}` in a pure crate")));
            }
        }
    }
    findings
}

fn unsafe_code(repo: &Repo) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (path, text) in repo.rust().filter(|(path, _)| !UNSAFE.contains(path)) {
        for (number, line) in (1..).zip(code(text).lines()) {
            if has_word(line, "unsafe") {
                findings.push(Finding::new(path, number, "`unsafe` outside the files that may"));
            }
        }
    }
    findings
}
