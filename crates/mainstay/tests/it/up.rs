//! A run from `up` to `down`, with real processes that need nothing but a shell.

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::stage::{Answer, Stage, answer};

/// Tests run beside each other; each takes ports of its own.
static NEXT_PORT: AtomicU16 = AtomicU16::new(25_100);

const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) fn port() -> u16 {
    loop {
        let port = NEXT_PORT.fetch_add(1, Ordering::Relaxed);
        assert!(port < 25_900, "no port is left");
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// A run that is taken down at the end of its test, whatever the test finds.
pub(crate) struct Run {
    pub(crate) stage: Stage,
    console: String,
}

impl Run {
    pub(crate) fn new(services: &str) -> Self {
        let stage = Stage::new();
        // Services of a run by root are another user's, who must be able to look in.
        fs::set_permissions(stage.path(), fs::Permissions::from_mode(0o755)).unwrap();
        stage.write("mainstay.toml", format!("format = 1\napp = \"shop\"\n{services}"));
        Self { stage, console: port().to_string() }
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Answer {
        answer(self.stage.command(arguments).env_remove("XDG_RUNTIME_DIR").output().unwrap())
    }

    pub(crate) fn up(&self) -> Answer {
        self.run(&["up", "--detach", "--timeout", "20s", "--console-port", &self.console])
    }

    fn foreground(&self) -> Child {
        let arguments = ["up", "--plain", "--console-port", &self.console];
        let mut command = self.stage.command(&arguments);
        command.env_remove("XDG_RUNTIME_DIR").stdout(Stdio::piped()).stderr(Stdio::piped());
        command.spawn().unwrap()
    }

    fn status(&self) -> serde_json::Value {
        self.run(&["status", "--json"]).json()
    }

    fn platform(&self, name: &str) -> Pid {
        let status = self.status();
        let all = status["platform"].as_array().unwrap();
        let one = all.iter().find(|one| one["name"] == name).unwrap();
        Pid::from_raw(i32::try_from(one["pid"].as_i64().unwrap()).unwrap()).unwrap()
    }

    /// An answer over the console's port: status and body.
    fn http(&self, request: &str, headers: &[(&str, &str)], body: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(format!("127.0.0.1:{}", self.console)).unwrap();
        let host = format!("127.0.0.1:{}", self.console);
        let mut text = format!("{request} HTTP/1.1\r\nconnection: close\r\n");
        if !headers.iter().any(|(name, _)| *name == "host") {
            write!(text, "host: {host}\r\n").unwrap();
        }
        for (name, value) in headers {
            write!(text, "{name}: {value}\r\n").unwrap();
        }
        write!(text, "content-length: {}\r\n\r\n{body}", body.len()).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).unwrap();
        let status = response.split(' ').nth(1).unwrap().parse().unwrap();
        (status, response)
    }

    fn token(&self) -> String {
        let table = self.run(&["status"]).out;
        let (_, after) = table.split_once("#token=").unwrap();
        after.split_whitespace().next().unwrap().to_owned()
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        self.run(&["down"]);
    }
}

#[track_caller]
pub(crate) fn eventually(what: &str, condition: impl Fn() -> bool) {
    let begun = Instant::now();
    while !condition() {
        assert!(begun.elapsed() < PATIENCE, "{what} did not happen");
        std::thread::yield_now();
    }
}

const SLEEPER: &str = "[service.sleeper]\nrun = \"sleep 1000\"\n";

#[test]
fn up_status_logs_run_restart_and_down() {
    let run = Run::new(
        "[service.talker]\nrun = \"sh -c 'echo hello from the talker; exec sleep 1000'\"\n\
         [job.greet]\nrun = \"echo greetings\"\n[job.fail]\nrun = \"sh -c 'exit 3'\"\n",
    );
    run.up().expect(0).says("up after").says("#token=");
    run.up().expect(75).says("up already").says("#token=");
    run.run(&["status"]).expect(0).says("talker-1").says("ready");
    assert_eq!(run.status()["state"], "running");
    eventually("the talker's line", || run.run(&["logs"]).out.contains("hello from the talker"));
    run.run(&["logs", "talker", "--grep", "^hel+o", "-n", "1"]).expect(0).says("hello");
    run.run(&["logs", "tlaker"]).expect(2).says("talker");
    run.run(&["logs", "--grep", "("]).expect(2).says("regular expression");
    run.run(&["events", "--json"]).expect(0).says("\"kind\":\"instance\"");
    run.run(&["run", "greet"]).expect(0).says("greetings");
    run.run(&["run", "fail"]).expect(1);
    run.run(&["run", "nothing"]).expect(2).says("nothing");
    run.run(&["restart", "talker"]).expect(0);
    run.run(&["restart", "nothing"]).expect(2);
    run.run(&["connect", "db"]).expect(2);
    run.run(&["connect", "db.replica"]).expect(2).says("`db.replica`");
    run.run(&["down"]).expect(0).says("0 processes, 0 ports, 0 sockets left");
    run.run(&["status"]).expect(69);
    run.run(&["logs", "--since", "10m"]).expect(0).says("hello from the talker");
}

#[test]
fn a_foreground_run_stops_in_order_at_ctrl_c_and_with_its_terminal() {
    for signal in [Signal::INT, Signal::TERM, Signal::HUP] {
        let run = Run::new(SLEEPER);
        let mut child = run.foreground();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.any(|line| line.unwrap().starts_with("up after")));
        kill_process(Pid::from_child(&child), signal).unwrap();
        let last = lines.map(Result::unwrap).last().unwrap();
        assert!(last.starts_with("everything is gone: 0 processes, 0 ports, 0 sockets"), "{last}");
        assert_eq!(child.wait().unwrap().code(), Some(0));
    }
}

#[test]
fn a_second_ctrl_c_does_not_wait_for_the_stubborn() {
    let run = Run::new(
        "[service.deaf]\nrun = \"sh -c 'trap : TERM; while :; do sleep 1; done'\"\ndrain = \"60s\"\n",
    );
    let mut child = run.foreground();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().starts_with("up after")));
    let mut notes = BufReader::new(child.stderr.take().unwrap()).lines();
    let begun = Instant::now();
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert!(notes.any(|line| line.unwrap().contains("stopping deaf-1")), "says what it waits for");
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert!(lines.map(Result::unwrap).last().unwrap().starts_with("everything is gone"));
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert!(begun.elapsed() < Duration::from_secs(30), "deadlines are cut short");
}

#[test]
fn ctrl_c_before_it_is_up_ends_everything_and_is_no_success() {
    for arguments in [["up", "--plain"], ["up", "--detach"]] {
        for wait in [false, true] {
            // It never listens where it should.
            let run = Run::new(&format!("{SLEEPER}port = {}\n", port()));
            let mut command = run.stage.command(&arguments);
            command.env_remove("XDG_RUNTIME_DIR").args(["--console-port", &run.console]);
            let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
            let mut notes = BufReader::new(child.stderr.take().unwrap()).lines();
            assert!(notes.any(|line| line.unwrap().starts_with("bringing")));
            if wait {
                eventually("control", || run.run(&["status"]).code == 0);
            }
            kill_process(Pid::from_child(&child), Signal::INT).unwrap();
            let answer = answer(child.wait_with_output().unwrap());
            answer.expect(130).says("everything is gone: 0 processes");
            run.run(&["status"]).expect(69);
        }
    }
}

#[test]
fn of_two_that_start_at_once_one_is_told_that_it_is_up_already() {
    for _ in 0..3 {
        let run = Run::new(SLEEPER);
        let consoles = [run.console.clone(), port().to_string()];
        let mut children = consoles.map(|console| {
            let arguments = ["up", "--detach", "--timeout", "20s", "--console-port", &console];
            let mut command = run.stage.command(&arguments);
            command.env_remove("XDG_RUNTIME_DIR").stdout(Stdio::piped()).stderr(Stdio::piped());
            Some(command.spawn().unwrap())
        });
        let ended = children
            .each_mut()
            .map(|child| answer(child.take().unwrap().wait_with_output().unwrap()));
        let [first, second] = &ended;
        let (winner, loser) = if first.code == 0 { (first, second) } else { (second, first) };
        winner.expect(0).says("up after");
        loser.expect(75).says("up already").says("mainstay down");
        assert_eq!(run.status()["state"], "running");
    }
}

#[test]
fn nothing_is_left_when_the_front_end_is_killed() {
    let run = Run::new(SLEEPER);
    let mut child = run.foreground();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().starts_with("up after")));
    child.kill().unwrap();
    child.wait().unwrap();
    eventually("the end of the run", || run.run(&["status"]).code == 69);
    run.run(&["down"]).expect(0).says("0 processes");
}

#[test]
fn a_killed_supervisor_is_started_again_by_the_front_end() {
    let run = Run::new(SLEEPER);
    let mut child = run.foreground();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap().starts_with("up after")));
    let first = run.platform("supervisor");
    kill_process(first, Signal::KILL).unwrap();
    eventually("another supervisor", || {
        let answer = run.run(&["status", "--json"]);
        answer.code == 0 && {
            let status = answer.json();
            status["state"] == "running"
                && status["platform"].as_array().unwrap().iter().any(|one| {
                    one["name"] == "supervisor" && one["pid"] != first.as_raw_nonzero().get()
                })
        }
    });
    kill_process(Pid::from_child(&child), Signal::INT).unwrap();
    assert!(lines.map(Result::unwrap).last().unwrap().starts_with("everything is gone"));
    child.wait().unwrap();
}

#[test]
fn down_proves_it_after_everything_was_killed() {
    let run = Run::new(SLEEPER);
    run.up().expect(0);
    for name in ["keeper", "supervisor"] {
        kill_process(run.platform(name), Signal::KILL).unwrap();
        if name == "keeper" {
            continue;
        }
    }
    run.run(&["down"]).expect(0).says("0 processes, 0 ports, 0 sockets left");
    run.up().expect(0);
}

#[test]
fn a_taken_port_is_named_with_its_holder_before_anything_starts() {
    let port = port();
    let holder = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let run = Run::new(&format!(
        "{SLEEPER}port = 25999\n[listener.web]\naddress = \"127.0.0.1:{port}\"\n[route.r]\n\"/\" = {{ to = \"sleeper\" }}\n"
    ));
    let id = std::process::id().to_string();
    run.up().expect(12).says(&port.to_string()).says(&id).says("nothing was started");
    assert!(!run.stage.path().join("state").exists());
    let other = Run::new(&format!("{SLEEPER}port = {port}\n"));
    other.up().expect(12).says("`sleeper`").says(&id);
    let mut console = Run::new(SLEEPER);
    console.console = port.to_string();
    console.up().expect(12).says("the console").says(&id).says("nothing was started");
    drop(holder);
}

#[test]
fn a_start_that_fails_says_why_and_leaves_nothing() {
    let run = Run::new(
        "[service.broken]\nrun = \"sh -c 'echo cannot find my socks >&2; exit 1'\"\nport = 25998\nprobe = { readiness = \"/health\" }\n",
    );
    let answer = run.run(&["up", "--detach", "--timeout", "3s", "--console-port", &run.console]);
    answer.expect(1).says("broken").says("cannot find my socks").says("nothing is left running");
    run.run(&["status"]).expect(69);
}

#[test]
fn data_is_only_deleted_when_somebody_agrees() {
    let run = Run::new(SLEEPER);
    run.up().expect(0);
    run.run(&["down"]).expect(0);
    run.stage.write("state/dev/data/db/file", "precious");
    run.run(&["down", "--data"]).expect(12).says("data/db").says("--yes");
    assert!(run.stage.path().join("state/dev/data/db/file").exists());
    run.run(&["down", "--data", "--yes"]).expect(0).says("deleted");
    assert!(!run.stage.path().join("state/dev/data/db").exists());
    run.run(&["down", "--yes"]).expect(2);
    run.up().expect(0);
}

#[test]
fn data_stays_while_something_is_left_that_may_use_it() {
    let port = port();
    let run = Run::new(&format!(
        "{SLEEPER}port = {}\n[listener.web]\naddress = \"127.0.0.1:{port}\"\n[route.r]\n\"/\" = {{ to = \"sleeper\" }}\n",
        self::port()
    ));
    let mut child = run.foreground();
    eventually("a listener", || TcpStream::connect(("127.0.0.1", port)).is_ok());
    child.kill().unwrap();
    child.wait().unwrap();
    let left = std::cell::OnceCell::new();
    eventually("the end of the run", || match TcpListener::bind(("127.0.0.1", port)) {
        Ok(listener) => left.set(listener).is_ok(),
        Err(_) => false,
    });
    run.stage.write("state/dev/data/db/file", "precious");
    run.run(&["down", "--data", "--yes"]).expect(1).says("1 ports").says("nothing was deleted");
    assert!(run.stage.path().join("state/dev/data/db/file").exists());
    drop(left);
    run.run(&["down", "--data", "--yes"]).expect(0).says("deleted");
}

#[test]
fn a_state_directory_that_cannot_be_written_is_refused() {
    let run = Run::new(SLEEPER);
    run.stage.write("state", "a file where a directory should be");
    run.up().expect(12).says("--state");
}

#[test]
fn the_api_over_the_port_asks_for_everything_it_needs() {
    let run = Run::new(SLEEPER);
    run.up().expect(0);
    let token = run.token();
    let bearer = format!("Bearer {token}");
    let auth = ("authorization", bearer.as_str());
    let check = |request: &str, headers: &[(&str, &str)], body: &str, status: u16| {
        let (code, response) = run.http(request, headers, body);
        assert_eq!(code, status, "{request} {headers:?}\n{response}");
        assert!(response.contains("content-security-policy: default-src"), "{response}");
        assert!(response.contains("x-content-type-options: nosniff"), "{response}");
        response
    };
    check("GET /api/status", &[], "", 401);
    check("GET /api/status", &[auth], "", 200);
    check("GET /api/status", &[("authorization", "Bearer 0")], "", 401);
    check("GET /api/status", &[auth, ("host", "evil.example")], "", 421);
    check("GET /api/status", &[auth, ("origin", "http://evil.example")], "", 403);
    check("POST /api/restart/sleeper", &[auth], "", 403);
    check("POST /api/restart/sleeper", &[auth, ("x-mainstay", "1")], "", 200);
    check("POST /api/restart/nothing", &[auth, ("x-mainstay", "1")], "", 404);
    check("POST /api/connect/db", &[auth, ("x-mainstay", "1")], "", 404);
    check("GET /api/console", &[auth], "", 404);
    check("GET /api/nothing", &[auth], "", 404);
    check("GET /api/logs?grep=(", &[auth], "", 400);
    check("GET /../../etc/passwd", &[], "", 404);
    check("GET /..%2f..%2fetc/passwd", &[], "", 404);
    check("POST /", &[], "", 405);
    check("GET /", &[], "", 200);
    let own = [("x-mainstay", "1"), ("content-type", "application/json")];
    check("POST /api/session", &own, "{\"token\":\"wrong\"}", 401);
    let big = format!("{{\"token\":\"{}\"}}", "x".repeat(100_000));
    check("POST /api/session", &own, &big, 413);
    let session = check("POST /api/session", &own, &format!("{{\"token\":\"{token}\"}}"), 200);
    assert!(session.contains("HttpOnly; SameSite=Strict; Path=/api"), "{session}");
    let cookie = format!("a=b; mainstay-{}={token}", run.console);
    let answer = check("GET /api/events", &[("cookie", &cookie)], "", 200);
    assert!(answer.contains("\"events\":["));
}

#[test]
fn a_control_that_is_killed_comes_back_with_the_same_token() {
    let run = Run::new(SLEEPER);
    run.up().expect(0);
    let token = run.token();
    let first = run.platform("control");
    kill_process(first, Signal::KILL).unwrap();
    eventually("another control", || {
        run.run(&["status"]).code == 0 && run.platform("control") != first
    });
    assert_eq!(run.token(), token);
}

#[test]
fn a_broken_manifest_is_told_for_as_long_as_it_is_broken() {
    let run = Run::new(&format!("{SLEEPER}[env.dev]\nwatch = true\n"));
    run.up().expect(0);
    let text = run.stage.read("mainstay.toml");
    run.stage.write("mainstay.toml", format!("{text}[service.sleeper]\n"));
    let is_failing = || run.status()["health"]["word"] == "failing";
    eventually("the mistake", is_failing);
    let seen = run.status()["at"].as_i64().unwrap();
    // Several looks of control at its engines later it is still so.
    eventually("time", || seen + 3_000 < run.status()["at"].as_i64().unwrap());
    run.run(&["status"]).expect(1).says("the manifest has mistakes").says("ready");
    run.stage.write("mainstay.toml", text);
    eventually("the end of it", || !is_failing());
}
