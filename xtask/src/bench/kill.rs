//! Whether requests fail while instances are killed, one after the other, under load.
//!
//! The load is an open model: a request leaves when its time has come, whatever became of those
//! before it, and its latency counts from that time. Each has a connection of its own.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::{Benchmark, release_binary};
use crate::example::{ADDRESS, Example, HOST};
use crate::{Result, programs};

pub(super) const BENCHMARK: Benchmark = Benchmark {
    name: "kill",
    what: "requests that fail while each instance is killed in turn under 200 GET/s",
    run,
};

const PATH: &str = "/api/health";
const INTERVAL: Duration = Duration::from_millis(5);
const PATIENCE: Duration = Duration::from_secs(10);
const BEFORE_EACH: Duration = Duration::from_secs(3);
const RECOVERY: Duration = Duration::from_secs(60);

fn run() -> Result {
    let example = Example::new(release_binary()?);
    let guard = example.up(&[])?;
    measure(&example)?;
    example.down(guard)?;
    example.remove()
}

fn measure(example: &Example) -> Result {
    let over = AtomicBool::new(false);
    let answers = Mutex::new(Vec::new());
    let killed = thread::scope(|scope| {
        let load = scope.spawn(|| make_load(&over, &answers));
        let killed = kill_each(example);
        over.store(true, Ordering::Relaxed);
        load.join().map_err(|_panic| "the load generator panicked".to_owned())?;
        killed
    })?;
    let answers = answers.into_inner().map_err(|_panic| "a request panicked".to_owned())?;
    report(&killed, &answers);
    Ok(())
}

/// What became of one request.
struct Answer {
    latency: Duration,
    failure: Option<String>,
}

fn make_load(over: &AtomicBool, answers: &Mutex<Vec<Answer>>) {
    let started = Instant::now();
    thread::scope(|scope| {
        for number in 0_u32.. {
            if over.load(Ordering::Relaxed) {
                return;
            }
            let due = started + INTERVAL * number;
            wait(due.saturating_duration_since(Instant::now()));
            scope.spawn(move || {
                let failure = request().err();
                let answer = Answer { latency: due.elapsed(), failure };
                answers.lock().expect("no request panics").push(answer);
            });
        }
    });
}

fn request() -> Result {
    let failed = |error: std::io::Error| error.kind().to_string();
    let mut stream = TcpStream::connect(ADDRESS).map_err(failed)?;
    stream.set_read_timeout(Some(PATIENCE)).map_err(failed)?;
    let head = format!("GET {PATH} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).map_err(failed)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).map_err(failed)?;
    let status = answer.get(9..12).map(String::from_utf8_lossy);
    match status.as_deref() {
        Some("200") => Ok(()),
        Some(status) => Err(format!("status {status}")),
        None => Err("no answer".to_owned()),
    }
}

/// Kills every instance once and waits each time until all are ready again.
fn kill_each(example: &Example) -> Result<Vec<String>> {
    let instances = instances(example)?;
    if instances.is_empty() {
        return Err("`status` shows no instance that runs".to_owned());
    }
    for (id, instance) in &instances {
        wait(BEFORE_EACH);
        println!("killing {id}, process {}", instance.pid);
        let pid = instance.pid.to_string();
        programs::run(&mut programs::command("", &["kill", "-KILL", &pid]))?;
        wait_for_successor(example, id, instance)?;
    }
    wait(BEFORE_EACH);
    Ok(instances.into_keys().collect())
}

fn wait_for_successor(example: &Example, id: &str, killed: &Instance) -> Result {
    let deadline = Instant::now() + RECOVERY;
    while Instant::now() < deadline {
        thread::sleep(Duration::from_millis(200));
        let successor = instances(example)?.remove(id);
        if successor.is_some_and(|new| new.pid != killed.pid && new.phase == "ready") {
            return Ok(());
        }
    }
    Err(format!("`{id}` was not ready again within {} s", RECOVERY.as_secs()))
}

fn wait(duration: Duration) {
    thread::sleep(duration);
}

#[derive(Debug, PartialEq)]
struct Instance {
    pid: u32,
    phase: String,
}

fn instances(example: &Example) -> Result<BTreeMap<String, Instance>> {
    let status = programs::capture(&mut example.mainstay(&["status", "--json"]))?;
    Ok(read_instances(&status))
}

/// Finds `id`, `phase` and `pid` in the JSON of `status`; enough of a parser for what we print
/// ourselves, where none of the three can contain a quote.
fn read_instances(json: &str) -> BTreeMap<String, Instance> {
    let mut found = BTreeMap::new();
    for part in json.split("\"id\"").skip(1) {
        let Some(id) = text_after_colon(part) else { continue };
        let phase = part.split_once("\"phase\"").and_then(|(_, rest)| text_after_colon(rest));
        let pid = part.split_once("\"pid\"").and_then(|(_, rest)| number_after_colon(rest));
        if let (Some(phase), Some(pid)) = (phase, pid) {
            found.insert(id.to_owned(), Instance { pid, phase: phase.to_owned() });
        }
    }
    found
}

fn text_after_colon(rest: &str) -> Option<&str> {
    let value = rest.trim_start().strip_prefix(':')?.trim_start().strip_prefix('"')?;
    value.split_once('"').map(|(text, _)| text)
}

fn number_after_colon(rest: &str) -> Option<u32> {
    let value = rest.trim_start().strip_prefix(':')?.trim_start();
    value.split(|character: char| !character.is_ascii_digit()).next()?.parse().ok()
}

fn report(killed: &[String], answers: &[Answer]) {
    let mut failures: BTreeMap<&str, usize> = BTreeMap::new();
    for failure in answers.iter().filter_map(|answer| answer.failure.as_deref()) {
        *failures.entry(failure).or_default() += 1;
    }
    let mut latencies: Vec<Duration> = answers.iter().map(|answer| answer.latency).collect();
    latencies.sort();
    let at =
        |part: usize| latencies.get(latencies.len() * part / 1000).copied().unwrap_or_default();

    println!("failed   {} of {}   goal 0", failures.values().sum::<usize>(), answers.len());
    for (failure, count) in failures {
        println!("  {count} × {failure}");
    }
    println!("latency  median {:.1?}, 99.9 % {:.1?}", at(500), at(999));
    println!("killed   {}", killed.join(", "));
    println!("load     GET {PATH}, one each {INTERVAL:?}");
}

#[test]
fn instances_are_found_in_the_json_of_status() {
    let json = r#"{"nodes": [{"name": "api", "instances": [
        {"id": "api-1", "phase": "ready", "reason": null, "pid": 4711},
        {"id":"api-2","phase":"back-off","pid":null}]}], "platform": [{"pid": 1}]}"#;
    let ready = Instance { pid: 4711, phase: "ready".to_owned() };
    let found = read_instances(json);
    assert_eq!(found.get("api-1"), Some(&ready));
}
