//! CPU per request of the gateway against nginx; the measurement itself stands beside the gateway,
//! in `crates/gateway/benches/nginx.rs`, because it needs more than std.

use super::Benchmark;
use crate::programs;

pub(super) const BENCHMARK: Benchmark = Benchmark {
    name: "gateway",
    what: "CPU per request against nginx, 64 and 512 connections; goals 0.85 × and 0.75 ×",
    run: || programs::run(&mut programs::cargo(&["bench", "-p", "gateway", "--bench", "nginx"])),
};
