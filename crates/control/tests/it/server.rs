//! A PostgreSQL server that lives as long as a test.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use base::Secret;

/// A running server; killed when it is dropped.
pub(crate) struct Server {
    process: Child,
    port: u16,
    _directory: tempfile::TempDir,
}

impl Server {
    /// Makes a cluster and starts it.
    pub(crate) fn start() -> Self {
        let programs = programs();
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o777)).unwrap();
        let data = directory.path().join("data");
        let output = command(&programs.join("initdb"))
            .arg("-D")
            .arg(&data)
            .args(["--auth=trust", "--no-sync", "-U", "postgres"])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let port = free_port();
        let process = command(&programs.join("postgres"))
            .arg("-D")
            .arg(&data)
            .args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1"])
            .args(["-c", "unix_socket_directories=", "-c", "fsync=off"])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let server = Self { process, port, _directory: directory };
        server.wait(&programs);
        server
    }

    pub(crate) fn url(&self) -> Secret {
        Secret::new(format!("postgres://postgres@127.0.0.1:{}/postgres", self.port))
    }

    #[expect(clippy::disallowed_methods, reason = "a test waits for a real process")]
    fn wait(&self, programs: &Path) {
        let deadline = Instant::now() + Duration::from_secs(30);
        let is_ready = || {
            let mut command = Command::new(programs.join("pg_isready"));
            command.args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()]);
            command.status().unwrap().success()
        };
        while !is_ready() {
            assert!(Instant::now() < deadline, "PostgreSQL does not answer");
            std::thread::yield_now();
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// PostgreSQL refuses to run as root.
fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.current_dir("/");
    if rustix::process::geteuid().is_root() {
        let passwd = fs::read_to_string("/etc/passwd").unwrap();
        let line = passwd.lines().find(|line| line.starts_with("postgres:"));
        let mut fields = line.expect("the package makes a user `postgres`").split(':').skip(2);
        let mut number = || fields.next().unwrap().parse().unwrap();
        command.uid(number()).gid(number());
    }
    command
}

fn programs() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = versions
        .map(|entry| entry.path().join("bin"))
        .filter(|path| path.join("initdb").exists())
        .collect();
    found.sort();
    found.pop().expect("PostgreSQL is missing: run `apt-get install postgresql`")
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}
