//! The catalogue of benchmarks. Ratios and CPU time come first: they hold on other machines.

mod build;
mod check;
mod gateway;
mod kill;
mod manifest;
mod memory;
mod up;

use std::path::PathBuf;

use crate::arguments::Arguments;
use crate::{Result, needs, programs};

/// One thing that can be measured.
struct Benchmark {
    name: &'static str,
    what: &'static str,
    run: fn() -> Result,
}

const ALL: &[Benchmark] = &[
    up::BENCHMARK,
    check::BENCHMARK,
    manifest::BENCHMARK,
    memory::BENCHMARK,
    kill::BENCHMARK,
    gateway::BENCHMARK,
    build::BENCHMARK,
];

/// The command `bench`.
pub(crate) fn run(arguments: &mut Arguments) -> Result {
    let yes = arguments.flag(&["--yes", "-y"]);
    let wanted = arguments.next_name();
    arguments.finish()?;
    let Some(name) = wanted else {
        for benchmark in ALL {
            println!("{:<10}{}", benchmark.name, benchmark.what);
        }
        return Ok(());
    };
    let Some(benchmark) = ALL.iter().find(|benchmark| benchmark.name == name) else {
        return Err(format!(
            "nothing to measure is called `{name}`; `cargo xtask bench` lists all"
        ));
    };
    needs::ensure(needs::BENCHMARKS, yes)?;
    (benchmark.run)()?;
    print_circumstances(&name)
}

/// A release binary, since nobody serves with any other.
fn release_binary() -> Result<PathBuf> {
    programs::run(&mut programs::cargo(&["build", "--release", "--package", "mainstay"]))?;
    Ok(programs::target().join("release/mainstay"))
}

/// What the numbers above were measured on, and how to measure them again.
fn print_circumstances(name: &str) -> Result {
    let rust = programs::capture(&mut programs::command("", &["rustc", "--version"]))?;
    let commit =
        programs::capture(&mut programs::command("", &["git", "rev-parse", "--short", "HEAD"]))?;
    let kernel = programs::capture(&mut programs::command("", &["uname", "-sr"]))?;
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    println!();
    println!("command  cargo xtask bench {name}");
    println!("commit   {}", commit.trim());
    println!("machine  {cores} cores, {}", kernel.trim());
    println!("rust     {}", rust.trim());
    Ok(())
}

/// The value in the middle.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// The CPU time in a line of `/proc/<pid>/stat`, of the process and of the children that it waited
/// for, in the kernel's ticks.
fn ticks(stat: &str) -> u64 {
    // The name in parentheses may contain anything; what follows it is fields from the third on.
    let fields = stat.rsplit_once(") ").map_or("", |(_, fields)| fields);
    fields.split(' ').skip(11).take(4).filter_map(|field| field.parse::<u64>().ok()).sum()
}

#[expect(clippy::cast_precision_loss, reason = "a hundred years of ticks are below 2^52")]
fn in_milliseconds(ticks: u64) -> f64 {
    // Linux tells programs of 100 ticks per second, whatever it counts in itself.
    ticks as f64 * 10.0
}

#[test]
fn ticks_are_those_of_the_process_and_of_its_children() {
    let stat = "7 (a ) b) S 1 7 7 0 -1 4194560 2000 900 1 0 10 20 30 40 20 0 1 0 100 1 1";
    assert_eq!(ticks(stat), 100);
}
