//! The catalogue of benchmarks. Ratios and CPU time come first: they hold on other machines.

mod build;
mod check;

use crate::arguments::Arguments;
use crate::{Result, needs, programs};

/// One thing that can be measured.
struct Benchmark {
    name: &'static str,
    what: &'static str,
    run: fn() -> Result,
}

const ALL: &[Benchmark] = &[build::BENCHMARK, check::BENCHMARK];

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
fn release_binary() -> Result<String> {
    programs::run(&mut programs::cargo(&["build", "--release", "--package", "mainstay"]))?;
    Ok(programs::target().join("release/mainstay").display().to_string())
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
