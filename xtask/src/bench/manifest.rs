//! Reading and checking a manifest of 2,000 lines; the measurement stands beside the parser, in
//! `crates/manifest/examples/timing.rs`.

use super::Benchmark;
use crate::programs;

const LINE: &[&str] = &["run", "--release", "-p", "manifest", "--example", "timing"];

pub(super) const BENCHMARK: Benchmark = Benchmark {
    name: "manifest",
    what: "parse and check a manifest of 2,000 lines; goal 50 ms",
    run: || programs::run(&mut programs::cargo(LINE)),
};
