//! How long a warm start of the example takes, and its end.
//!
//! Without `web`: what Next.js needs to start is not Mainstay's to make faster.

use std::fs;
use std::time::Instant;

use super::{Benchmark, in_milliseconds, median, release_binary, ticks};
use crate::Result;
use crate::example::Example;

pub(super) const BENCHMARK: Benchmark = Benchmark {
    name: "up",
    what: "a warm `mainstay up` of the example without web, and `mainstay down`",
    run,
};

const RUNS: usize = 5;

fn run() -> Result {
    let example = Example::new(release_binary()?);
    // The first start builds, makes databases and migrates; the others are warm.
    cycle(&example)?;
    let cycles: Vec<Cycle> = (0..RUNS).map(|_| cycle(&example)).collect::<Result<_>>()?;
    example.remove()?;

    let of = |value: fn(&Cycle) -> f64| median(cycles.iter().map(value).collect());
    println!("median of {RUNS} warm runs");
    println!("up, until ready     {:>8.0} ms   goal 2000 ms", of(|cycle| cycle.up));
    println!("  CPU of all of it  {:>8.0} ms", of(|cycle| cycle.cpu));
    println!("down, proved        {:>8.0} ms   goal 1000 ms", of(|cycle| cycle.down));
    Ok(())
}

struct Cycle {
    up: f64,
    cpu: f64,
    down: f64,
}

fn cycle(example: &Example) -> Result<Cycle> {
    let started = Instant::now();
    let guard = example.up(&["--env", "bench"])?;
    let up = started.elapsed().as_secs_f64() * 1e3;
    // Statistics of a process include the children that it waited for.
    let stats = example.processes().into_iter();
    let stats = stats.filter_map(|process| fs::read_to_string(process.join("stat")).ok());
    let cpu = in_milliseconds(stats.map(|stat| ticks(&stat)).sum());

    let started = Instant::now();
    example.down(guard)?;
    let down = started.elapsed().as_secs_f64() * 1e3;
    Ok(Cycle { up, cpu, down })
}
