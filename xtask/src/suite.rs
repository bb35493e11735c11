//! Every test there is, in the order in which a mistake is found soonest.
//!
//! Cargo's stages share what they compile: the same features (the whole workspace), the same
//! profile, and lints passed to clippy alone, never through RUSTFLAGS, which would build every
//! dependency once more.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::Instant;

use crate::arguments::Arguments;
use crate::tally::Tally;
use crate::{Result, console, e2e, needs, programs};

/// A part of the suite that can be run alone.
struct Stage {
    name: &'static str,
    what: &'static str,
    run: fn() -> Tally,
}

const STAGES: &[Stage] = &[
    Stage { name: "fmt", what: "formatting", run: fmt },
    Stage { name: "console", what: "the console's build and types", run: check_console },
    Stage { name: "clippy", what: "lints", run: clippy },
    Stage { name: "docs", what: "documentation of the code", run: docs },
    Stage { name: "tests", what: "tests of the workspace, tidy among them", run: tests },
    Stage { name: "browser", what: "the console in a browser", run: browser },
    Stage { name: "example", what: "tests of the example's API", run: example },
    Stage { name: "e2e", what: "the example through `mainstay up`, in a browser", run: e2e::count },
];

/// The command `test`.
pub(crate) fn run(arguments: &mut Arguments) -> Result<ExitCode> {
    let yes = arguments.flag(&["--yes", "-y"]);
    let wanted = arguments.next_name();
    arguments.finish()?;
    let chosen = |stage: &&Stage| wanted.as_deref().is_none_or(|name| stage.name == name);
    let stages: Vec<&Stage> = STAGES.iter().filter(chosen).collect();
    if stages.is_empty() {
        let names: Vec<&str> = STAGES.iter().map(|stage| stage.name).collect();
        return Err(format!("no such stage; there are: {}", names.join(", ")));
    }
    let total = match needs::ensure(needs::TESTS, yes) {
        Ok(()) => run_all(&stages),
        Err(message) => {
            eprintln!("error: {message}");
            Tally { passed: 0, failed: 1 }
        }
    };
    println!("{total}");
    Ok(if total.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn run_all(stages: &[&Stage]) -> Tally {
    let mut total = Tally::default();
    let mut table = Vec::new();
    for stage in stages {
        println!("\n──── {}: {}", stage.name, stage.what);
        let started = Instant::now();
        let tally = (stage.run)();
        let seconds = started.elapsed().as_secs_f64();
        let verdict = if tally.failed == 0 { "ok" } else { "FAILED" };
        table.push(format!("{:<9}{verdict:<8}{seconds:>7.1} s   {tally}", stage.name));
        total += tally;
        // Whoever reads through a pipe sees each stage when it ends, not when all have.
        drop(std::io::stdout().flush());
    }
    println!("\n{}\n", table.join("\n"));
    total
}

fn fmt() -> Tally {
    programs::count(&mut programs::cargo(&["fmt", "--all", "--check"]))
}

fn clippy() -> Tally {
    let line = ["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"];
    programs::count(&mut programs::cargo(&line))
}

fn docs() -> Tally {
    let mut command = programs::cargo(&["doc", "--workspace", "--no-deps"]);
    programs::count(command.env("RUSTDOCFLAGS", "--deny warnings"))
}

fn tests() -> Tally {
    programs::count(&mut programs::cargo(&["test", "--workspace", "--no-fail-fast"]))
}

fn check_console() -> Tally {
    if let Err(message) = console::build() {
        eprintln!("error: {message}");
        return Tally { passed: 0, failed: 1 };
    }
    programs::count(&mut console::npm(console::DIRECTORY, &["run", "--silent", "check"]))
}

fn browser() -> Tally {
    let mut command = console::npm(console::DIRECTORY, &["test", "--silent"]);
    command.env("SHOTS", programs::target().join("console-screenshots"));
    programs::count(e2e::with_browser(&mut command))
}

fn example() -> Tally {
    let mut command = programs::cargo(&["test", "--no-fail-fast"]);
    command.current_dir(programs::root().join("examples/reconciliation/api"));
    // Built where `mainstay up` builds it, so that the next stage finds it compiled.
    programs::count(command.env_remove("CARGO_TARGET_DIR"))
}
