//! What Mainstay itself costs while nothing happens: memory and CPU of all its own processes.
//!
//! Memory is PSS: pages that several processes share, such as the binary's code, are counted once.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use super::{Benchmark, in_milliseconds, release_binary, ticks};
use crate::Result;
use crate::example::Example;

pub(super) const BENCHMARK: Benchmark = Benchmark {
    name: "memory",
    what: "memory and CPU of Mainstay's own processes while the example idles",
    run,
};

const SETTLING: Duration = Duration::from_secs(10);
const WATCHED: Duration = Duration::from_secs(30);

fn run() -> Result {
    let example = Example::new(release_binary()?);
    let guard = example.up(&[])?;
    measure(&example)?;
    example.down(guard)?;
    example.remove()
}

fn measure(example: &Example) -> Result {
    println!("waiting {} s for calm, then measuring {} s", SETTLING.as_secs(), WATCHED.as_secs());
    wait(SETTLING);
    let processes = example.platform();
    let before: Vec<u64> = processes.iter().map(|process| cpu(process)).collect();
    wait(WATCHED);

    let (mut memory, mut spent) = (0, 0.0);
    println!("{:>10} {:>10}", "PSS", "CPU");
    for (process, before) in processes.iter().zip(before) {
        let kilobytes = pss(process);
        let milliseconds = in_milliseconds(cpu(process).saturating_sub(before));
        println!("{kilobytes:>7} kB {:>8.2} %  {}", percent(milliseconds), arguments(process));
        memory += kilobytes;
        spent += milliseconds;
    }
    println!("{memory:>7} kB {:>8.2} %  all {}", percent(spent), processes.len());
    println!("goal: 60000 kB, 1 % of a core");
    if processes.is_empty() {
        return Err("none of Mainstay's processes was found".to_owned());
    }
    Ok(())
}

fn wait(duration: Duration) {
    thread::sleep(duration);
}

fn percent(milliseconds: f64) -> f64 {
    milliseconds / WATCHED.as_secs_f64() / 1e3 * 100.0
}

fn pss(process: &Path) -> u64 {
    let rollup = fs::read_to_string(process.join("smaps_rollup")).unwrap_or_default();
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
    line.and_then(|rest| rest.trim().trim_end_matches(" kB").parse().ok()).unwrap_or(0)
}

fn cpu(process: &Path) -> u64 {
    ticks(&fs::read_to_string(process.join("stat")).unwrap_or_default())
}

fn arguments(process: &Path) -> String {
    let bytes = fs::read(process.join("cmdline")).unwrap_or_default();
    let line = String::from_utf8_lossy(&bytes).replace('\0', " ");
    line.chars().take(60).collect()
}
