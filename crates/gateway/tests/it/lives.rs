//! The gateway as a process of its own: killed, started again, told to end.

use std::os::fd::{AsFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use gateway::{GatewayPhase, Limits, Options};
use rustix::process::{Pid, Signal, kill_process};

use crate::origin::{Origin, Then, ok, reply};
use crate::rig::{self, Client, PATIENCE, Rig};

/// Set for the process that `the_process_itself` becomes.
const DIRECTORY: &str = "GATEWAY_TEST_DIRECTORY";

/// Not a test by itself: what the others start, in a process of its own.
#[test]
fn the_process_itself() {
    let Some(directory) = std::env::var_os(DIRECTORY).map(PathBuf::from) else { return };
    let options = Options {
        control: directory.join("control.sock"),
        snapshot: directory.join("gateway.json"),
        sockets: std::io::stdin().as_fd().try_clone_to_owned().unwrap(),
        threads: 2,
        limits: Limits { drain: Duration::from_secs(5), ..Limits::default() },
    };
    gateway::run(options).unwrap();
}

struct Process(Child);

impl Process {
    fn start(directory: &Path, sockets: OwnedFd) -> Self {
        let child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "lives::the_process_itself", "--nocapture"])
            .env(DIRECTORY, directory)
            .stdin(Stdio::from(sockets))
            .stdout(Stdio::null())
            .spawn();
        Self(child.unwrap())
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.0), signal).unwrap();
    }

    fn ended(&mut self) -> ExitStatus {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status;
            }
            assert!(Instant::now() < deadline, "it does not end");
            std::thread::yield_now();
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

fn start(origin: &Origin) -> (Rig, Process, std::net::SocketAddr) {
    let (mut rig, theirs) = Rig::without_gateway(2);
    let process = Process::start(rig.directory.path(), theirs);
    let address = rig.listen("web");
    rig.apply(&rig::plan(&[("", "/", "api")], &[("api", &[origin.address])]));
    (rig, process, address)
}

#[test]
fn after_a_kill_it_serves_with_the_stored_plan_alone() {
    let origin = Origin::fixed("x");
    let (mut rig, mut process, address) = start(&origin);
    assert_eq!(Client::connect(address).get("/").text(), "x");
    process.signal(Signal::KILL);
    process.ended();
    // The supervisor holds the sockets, so this connection waits in the queue.
    let mut early = Client::connect(address);
    early.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    let theirs = rig.new_line();
    let _process = Process::start(rig.directory.path(), theirs);
    rig.hand_over_again("web");
    assert_eq!(early.response().text(), "x");
    let status = rig.status();
    assert_eq!((status.generation, status.problem), (1, None));
}

#[test]
fn a_stored_plan_that_cannot_be_read_is_reported_and_replaced() {
    let origin = Origin::fixed("x");
    for content in
        ["", "{\"version\":1", "{\"version\":9,\"plan\":{}}", "{\"version\":1,\"plan\":3}"]
    {
        let (mut rig, theirs) = Rig::without_gateway(2);
        let mut file = std::fs::File::create(rig.snapshot()).unwrap();
        std::io::Write::write_all(&mut file, content.as_bytes()).unwrap();
        let _process = Process::start(rig.directory.path(), theirs);
        let address = rig.listen("web");
        assert!(rig.status().problem.is_some(), "{content}");
        rig.apply(&rig::plan(&[("", "/", "api")], &[("api", &[origin.address])]));
        assert_eq!(rig.status().problem, None);
        assert_eq!(Client::connect(address).get("/").text(), "x");
    }
}

#[test]
fn told_to_end_it_finishes_what_it_has_and_ends() {
    let (release, wait) = channel::<()>();
    let wait = Mutex::new(wait);
    let origin = Origin::start(move |request, stream| {
        if request.target() == "/slow" {
            wait.lock().unwrap().recv_timeout(PATIENCE).unwrap();
        }
        reply(stream, ok("x"))
    });
    let (rig, mut process, address) = start(&origin);
    let mut idle = Client::connect(address);
    assert_eq!(idle.get("/").status, 200);
    let mut busy = Client::connect(address);
    busy.send("GET /slow HTTP/1.1\r\nHost: h\r\n\r\n");
    rig.eventually(|status| status.totals.in_flight == 1);
    process.signal(Signal::TERM);
    rig.eventually(|status| status.phase == GatewayPhase::Draining);
    idle.expect_end();
    release.send(()).unwrap();
    let response = busy.response();
    assert_eq!((response.text(), response.header("connection")), ("x", Some("close")));
    assert!(process.ended().success());
}

#[test]
fn a_second_signal_does_not_wait() {
    let origin = Origin::start(|_, stream| {
        let mut byte = [0];
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        drop(std::io::Read::read(stream, &mut byte));
        Then::Close
    });
    let (rig, mut process, address) = start(&origin);
    let mut client = Client::connect(address);
    client.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    rig.eventually(|status| status.totals.in_flight == 1);
    let began = Instant::now();
    process.signal(Signal::TERM);
    rig.eventually(|status| status.phase == GatewayPhase::Draining);
    process.signal(Signal::TERM);
    assert!(process.ended().success());
    assert!(began.elapsed() < Duration::from_secs(4));
}

#[test]
fn without_a_supervisor_it_ends() {
    let origin = Origin::fixed("x");
    let (mut rig, mut process, _address) = start(&origin);
    rig.supervisor = None;
    assert!(process.ended().success());
}

#[test]
fn a_packet_that_breaks_the_contract_ends_it_with_an_error() {
    let origin = Origin::fixed("x");
    let (rig, mut process, _address) = start(&origin);
    rig.send_packet(br#"{"listener":"web","address":"127.0.0.1:1"}"#, &[]);
    assert!(!process.ended().success());
}

#[test]
fn the_control_socket_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let rig = Rig::start(Limits::default());
    rig.status();
    let mode = std::fs::metadata(rig.control()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}
