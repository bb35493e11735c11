//! Looking for input that breaks a parser, with cargo-fuzz. The repository's corpus is replayed by
//! `cargo test`, which needs none of this.

use std::fs;

use crate::arguments::Arguments;
use crate::{Result, programs};

const DEFAULT_SECONDS: u64 = 60;

/// The command `fuzz`.
pub(crate) fn run(arguments: &mut Arguments) -> Result {
    let seconds = arguments.number("--seconds")?.unwrap_or(DEFAULT_SECONDS);
    let wanted = arguments.next_name();
    arguments.finish()?;
    let targets = targets()?;
    let Some(target) = wanted else {
        println!("{}", targets.join("\n"));
        return Ok(());
    };
    if !targets.contains(&target) {
        return Err(format!("no target `{target}`; there are: {}", targets.join(", ")));
    }
    require_tools()?;
    let limit = format!("-max_total_time={seconds}");
    // What is found goes beside the corpus, of which only what is worth keeping is a part.
    let (found, corpus) = (format!("fuzz/found/{target}"), format!("fuzz/corpus/{target}"));
    fs::create_dir_all(programs::root().join(&found))
        .map_err(|error| format!("{found}: {error}"))?;
    let fuzz = ["rustup", "run", "nightly", "cargo", "fuzz", "run", &target, &found, &corpus];
    let line = [&fuzz[..], &["--", &limit]].concat();
    programs::run(&mut programs::command("", &line))
}

fn targets() -> Result<Vec<String>> {
    let directory = programs::root().join("fuzz/fuzz_targets");
    let entries =
        fs::read_dir(&directory).map_err(|error| format!("fuzz/fuzz_targets: {error}"))?;
    let mut names: Vec<String> = entries
        .flatten()
        .filter_map(|entry| Some(entry.file_name().to_str()?.strip_suffix(".rs")?.to_owned()))
        .collect();
    names.sort();
    Ok(names)
}

fn require_tools() -> Result {
    let toolchains =
        programs::capture(&mut programs::command("", &["rustup", "toolchain", "list"]))
            .map_err(|error| format!("fuzzing needs rustup: {error}"))?;
    if !toolchains.contains("nightly") {
        return Err("fuzzing needs the nightly compiler: `rustup toolchain install nightly`".into());
    }
    if programs::find("cargo-fuzz", &[]).is_none() {
        return Err("fuzzing needs cargo-fuzz: `cargo install cargo-fuzz`".into());
    }
    Ok(())
}
