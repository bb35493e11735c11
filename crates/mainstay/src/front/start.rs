//! Starting the supervisor, and noticing its end.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use control::AppStatus;
use rustix::process::{Pid, Signal};
use tokio::process::{Child, ChildStdin, Command};

use crate::client::Client;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::place::Place;
use crate::processes::{RunArgs, SUPERVISOR_LOG, supervisor_arguments};
use crate::server::ConsoleAddress;

/// How often the lock is looked at when there is no child left to wait for.
const GLANCE: Duration = Duration::from_millis(100);

/// A log that grew beyond this over many runs begins anew.
const LARGEST_LOG: u64 = 1 << 20;

/// The last lines of a supervisor that did not start.
const LAST_LINES: usize = 12;

/// A supervisor that was started.
#[derive(Debug)]
pub(super) struct Started {
    child: Child,
    status: Option<ExitStatus>,
    run: String,
    /// Where in the log it began to write.
    log: u64,
    /// The pipe whose end means: stop in order.
    pub(super) leash: Option<ChildStdin>,
}

/// Starts it; what it says before anybody can listen goes to a file.
pub(super) fn supervisor(place: &Place, run: &RunArgs, leash: bool) -> Result<Started, Failure> {
    let cannot = |what: &str, error: &std::io::Error| Failure::new(Exit::No, what).because(error);
    let path = place.location.state.join(SUPERVISOR_LOG);
    let mut options = OpenOptions::new();
    // Another run may be writing to it: whether this one is the first shows only later.
    options.append(true).create(true).mode(0o600);
    let title = format!("cannot write `{}`", path.display());
    let log = options.open(&path).map_err(|error| cannot(&title, &error))?;
    let mut length = log.metadata().map_err(|error| cannot(&title, &error))?.len();
    if LARGEST_LOG < length {
        log.set_len(0).map_err(|error| cannot(&title, &error))?;
        length = 0;
    }
    let log_too = log.try_clone().map_err(|error| cannot(&title, &error))?;
    let program = std::env::current_exe()
        .map_err(|error| cannot("cannot find out where this program is", &error))?;
    let mut child = Command::new(&program)
        .args(supervisor_arguments(run, leash))
        .current_dir("/")
        .stdin(if leash { Stdio::piped() } else { Stdio::null() })
        .stdout(log)
        .stderr(log_too)
        .spawn()
        .map_err(|error| cannot(&format!("cannot start `{}`", program.display()), &error))?;
    let leash = child.stdin.take();
    Ok(Started { child, status: None, run: run.run.clone(), log: length, leash })
}

impl Started {
    /// Waits for the end. The child is the supervisor's keeper; should that be killed alone, the
    /// supervisor lives on and holds the lock. Safe to drop at any time.
    pub(super) async fn ended(&mut self, place: &Place) {
        if self.status.is_none() {
            // A child that cannot be waited for has ended.
            self.status = self.child.wait().await.ok();
        }
        while has_lock(place, &self.run) {
            tokio::time::sleep(GLANCE).await;
        }
    }

    /// The process of another run that was first, when this one ended without having the lock.
    pub(super) fn lost_to(&self, place: &Place) -> Option<u32> {
        let status = self.status?;
        if status.code() == Some(i32::from(Exit::TryAgain.code())) {
            return Some(place.supervisor().unwrap_or(0));
        }
        place.supervisor().filter(|pid| run_of(*pid).is_some_and(|run| run != self.run))
    }

    /// Tells it to stop in order when it cannot be asked.
    pub(super) fn let_go(&mut self) {
        if self.leash.take().is_none() {
            Self::signal(self.child.id(), Signal::TERM);
        }
    }

    /// Ends one that nobody can ask; its keeper ends everything else.
    pub(super) fn kill(&self, place: &Place) {
        let holder =
            place.supervisor().filter(|pid| run_of(*pid).is_some_and(|run| run == self.run));
        Self::signal(holder.or(self.child.id()), Signal::KILL);
    }

    fn signal(pid: Option<u32>, signal: Signal) {
        if let Some(pid) = pid.and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?)) {
            // It may have ended just now, which is what was wanted.
            rustix::process::kill_process(pid, signal).ok();
        }
    }

    /// Whether it ended because it was asked to.
    pub(super) fn ended_well(&self) -> bool {
        self.status.is_some_and(|status| status.success())
    }
}

/// Whether the supervisor that has the lock is one of this run: that somebody has it proves
/// nothing, since of two who start at once only one is first.
pub(super) fn has_lock(place: &Place, run: &str) -> bool {
    place.supervisor().and_then(run_of).is_some_and(|holder| holder == run)
}

/// Which run a supervisor belongs to: its command line says so.
fn run_of(pid: u32) -> Option<String> {
    let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let mut words = line.split(|byte| *byte == 0).skip_while(|word| *word != b"--run");
    Some(String::from_utf8_lossy(words.nth(1)?).into_owned())
}

/// Why a supervisor did not start: what it said last.
pub(super) fn no_start(place: &Place, started: &Started) -> Failure {
    let path = place.location.state.join(SUPERVISOR_LOG);
    let text = fs::read(&path).unwrap_or_default();
    let own = usize::try_from(started.log).ok().and_then(|from| text.get(from..));
    let text = String::from_utf8_lossy(own.unwrap_or_default());
    let lines: Vec<&str> = text.lines().collect();
    let last = lines.get(lines.len().saturating_sub(LAST_LINES)..).unwrap_or_default();
    let failure = Failure::new(Exit::No, "the supervisor did not start");
    let failure = last.iter().fold(failure, |failure, line| {
        failure.line(crate::text::sanitized(line.trim_start_matches("error: "), false))
    });
    failure.help("nothing is left running")
}

/// Two of the same on the same state would destroy it.
pub(crate) async fn already_up(place: &Place, pid: u32) -> Failure {
    let client = Client::new(&place.location);
    let known = async {
        let status: AppStatus = client.get("/api/status").await?;
        let console: ConsoleAddress = client.get("/api/console").await?;
        Ok::<_, Failure>((status, console))
    };
    let mut title = format!("`{}` is up already", place.environment);
    if pid != 0 {
        title = format!("{title}, by process {pid}");
    }
    let mut failure = Failure::new(Exit::TryAgain, title);
    // One that does not answer is up all the same.
    if let Ok((status, console)) = known.await {
        for url in &status.urls {
            failure = failure.line(url);
        }
        failure = failure.line(format!("console {}", console.url));
    }
    failure.help("see `mainstay status`, or stop it with `mainstay down`")
}
