//! What it costs to compile Mainstay: a release from nothing, a check after a small change.

use std::fs;
use std::path::Path;
use std::time::{Instant, SystemTime};

use super::{Benchmark, median};
use crate::{Result, programs};

pub(super) const BENCHMARK: Benchmark = Benchmark {
    name: "build",
    what: "a clean release build, a check after touching the top crate, the binary's size",
    run,
};

const CHECKS: usize = 5;

fn run() -> Result {
    let target = programs::target().join("bench-build");
    if target.exists() {
        fs::remove_dir_all(&target).map_err(|error| format!("{}: {error}", target.display()))?;
    }
    let release = timed(&target, &["build", "--release", "--package", "mainstay"])?;
    let binary = target.join("release/mainstay");
    let size =
        fs::metadata(&binary).map_err(|error| format!("{}: {error}", binary.display()))?.len();

    timed(&target, &["check", "--package", "mainstay"])?;
    let mut checks = Vec::new();
    for _ in 0..CHECKS {
        touch(&programs::root().join("crates/mainstay/src/main.rs"))?;
        checks.push(timed(&target, &["check", "--package", "mainstay"])?);
    }
    println!("clean release build                    {release:>8.1} s    goal 360 s on 2 cores");
    println!("check after touching the top crate     {:>8.1} s    goal 5 s", median(checks));
    println!("binary                                 {:>8.1} MB   goal 40 MB", megabytes(size));
    Ok(())
}

fn timed(target: &Path, arguments: &[&str]) -> Result<f64> {
    let started = Instant::now();
    programs::run(programs::cargo(arguments).env("CARGO_TARGET_DIR", target))?;
    Ok(started.elapsed().as_secs_f64())
}

fn touch(file: &Path) -> Result {
    let opened = fs::File::options().append(true).open(file);
    opened
        .and_then(|file| file.set_modified(SystemTime::now()))
        .map_err(|error| format!("{}: {error}", file.display()))
}

#[expect(clippy::cast_precision_loss, reason = "a binary is far below 2^52 bytes")]
fn megabytes(bytes: u64) -> f64 {
    bytes as f64 / 1e6
}
