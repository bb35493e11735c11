//! How long `mainstay check` takes on the example, process start and end included.

use std::time::Instant;

use super::{Benchmark, median, release_binary};
use crate::demo::EXAMPLE;
use crate::{Result, programs};

pub(super) const BENCHMARK: Benchmark =
    Benchmark { name: "check", what: "`mainstay check` of the example", run };

const RUNS: usize = 50;

fn run() -> Result {
    let binary = release_binary()?;
    let mut milliseconds = Vec::new();
    for _ in 0..RUNS {
        let started = Instant::now();
        programs::capture(&mut programs::command(EXAMPLE, &[&binary, "check"]))?;
        milliseconds.push(started.elapsed().as_secs_f64() * 1e3);
    }
    println!("median of {RUNS} runs   {:.1} ms   goal 10 ms", median(milliseconds));
    Ok(())
}
