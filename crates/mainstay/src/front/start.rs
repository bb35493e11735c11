//! Starting the supervisor, and noticing its end.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::process::{Child, ChildStdin, Command};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::place::Place;
use crate::processes::{RunArgs, SUPERVISOR_LOG, supervisor_arguments};

/// How often the lock is looked at when there is no child left to wait for.
const GLANCE: Duration = Duration::from_millis(100);

/// The last lines of a supervisor that did not start.
const LAST_LINES: usize = 12;

/// A supervisor that was started.
#[derive(Debug)]
pub(super) struct Started {
    child: Child,
    status: Option<ExitStatus>,
    /// The pipe whose end means: stop in order.
    pub(super) leash: Option<ChildStdin>,
}

/// Starts it; what it says before anybody can listen goes to a file.
pub(super) fn supervisor(place: &Place, run: &RunArgs, leash: bool) -> Result<Started, Failure> {
    let cannot = |what: &str, error: &std::io::Error| Failure::new(Exit::No, what).because(error);
    let path = place.location.state.join(SUPERVISOR_LOG);
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true).mode(0o600);
    let title = format!("cannot write `{}`", path.display());
    let log = options.open(&path).map_err(|error| cannot(&title, &error))?;
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
    Ok(Started { child, status: None, leash })
}

impl Started {
    /// Waits for the end. The child is the supervisor's keeper; should that be killed alone, the
    /// supervisor lives on and holds the lock. Safe to drop at any time.
    pub(super) async fn ended(&mut self, place: &Place) {
        if self.status.is_none() {
            // A child that cannot be waited for has ended.
            self.status = self.child.wait().await.ok();
        }
        while place.supervisor().is_some() {
            tokio::time::sleep(GLANCE).await;
        }
    }

    /// Whether it ended because it was asked to.
    pub(super) fn ended_well(&self) -> bool {
        self.status.is_some_and(|status| status.success())
    }
}

/// Why a supervisor did not start: what it said last.
pub(super) fn no_start(place: &Place) -> Failure {
    let path = place.location.state.join(SUPERVISOR_LOG);
    let text = fs::read_to_string(&path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let last = lines.get(lines.len().saturating_sub(LAST_LINES)..).unwrap_or_default();
    let failure = Failure::new(Exit::No, "the supervisor did not start");
    let failure = last.iter().fold(failure, |failure, line| {
        failure.line(crate::text::sanitized(line.trim_start_matches("error: "), false))
    });
    failure.help("nothing is left running")
}
