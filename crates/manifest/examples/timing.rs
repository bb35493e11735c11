//! Measures reading and checking a manifest of 2,000 lines: `cargo run --release --example timing`.

use std::time::{Duration, Instant};

const RUNS: usize = 51;

#[expect(clippy::print_stdout, reason = "printing is what it is for")]
fn main() {
    let text = manifest(2_000);
    let mut times: Vec<Duration> = (0..RUNS).map(|_| time(&text)).collect();
    times.sort();
    println!(
        "{} lines, {} bytes, base and two environments: median {:?}, slowest {:?}",
        text.lines().count(),
        text.len(),
        times[RUNS / 2],
        times[RUNS - 1],
    );
}

#[expect(clippy::disallowed_methods, reason = "a measurement is about the real clock")]
fn time(text: &str) -> Duration {
    let start = Instant::now();
    let (manifest, diagnostics) = manifest::parse(text, Some("production"));
    let elapsed = start.elapsed();
    assert!(manifest.is_some(), "{diagnostics:?}");
    elapsed
}

/// A manifest without a mistake, of about so many lines.
fn manifest(lines: usize) -> String {
    let head = "format = 1\napp = \"large\"\n\n[database.db]\nengine = \"postgres\"\nreplicas = \
        1\nconnections = 100000\n";
    let services = (0..lines / 14).map(|number| {
        let before = number.saturating_sub(1);
        let needs = if number == 0 { String::new() } else { format!(", BEFORE = \"@s{before}\"") };
        format!(
            "\n[service.s{number}]\nbuild   = {{ kind = \"cargo\", path = \"s{number}\" }}\n\
             env     = {{ DATABASE_URL = \"@db\", READ_URL = \"@db.replica\"{needs} }}\n\
             secrets = [\"TOKEN_{number}\"]\nexpects = {{ DATABASE_URL = \"url\" }}\n\
             probe   = {{ startup = \"/health within 30s\", readiness = \"/ready every 2s\" }}\n\
             drain   = \"40s\"\nsize    = {{ cpu = \"1\", memory = \"512Mi\" }}\npool    = 10\n\
             \n[route.r{number}]\nhost = \"s{number}.example.com\"\n\
             \"/\" = {{ to = \"s{number}\", timeout = \"30s\" }}\n"
        )
    });
    let tail =
        "\n[env.dev]\nservice.\"*\".drain = \"60s\"\n\n[env.production]\nservice.s1.pool = 20\n";
    head.to_owned() + &services.collect::<String>() + tail
}
