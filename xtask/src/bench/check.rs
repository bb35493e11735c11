//! How long `mainstay check` takes on the example, process start and end included.

use std::process::Command;
use std::time::Instant;

use super::{Benchmark, median, release_binary};
use crate::example;
use crate::{Result, programs};

pub(super) const BENCHMARK: Benchmark =
    Benchmark { name: "check", what: "`mainstay check` of the example", run };

const RUNS: usize = 50;

fn run() -> Result {
    let binary = release_binary()?;
    let mut milliseconds = Vec::new();
    for _ in 0..RUNS {
        let started = Instant::now();
        let mut check = Command::new(&binary);
        check.arg("check").current_dir(programs::root().join(example::DIRECTORY));
        programs::capture(&mut check)?;
        milliseconds.push(started.elapsed().as_secs_f64() * 1e3);
    }
    println!("median of {RUNS} runs   {:.1} ms   goal 10 ms", median(milliseconds));
    Ok(())
}
