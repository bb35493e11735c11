//! Whoever outlives a killed supervisor, to leave nothing behind.
//!
//! A parent-death signal reaches children, not grandchildren, and those may have left their group,
//! their session and their environment. But nobody can leave a *subreaper*: when a process dies,
//! its children are given to the nearest ancestor that is one. So the keeper is the supervisor's
//! parent, and when the supervisor is gone, however it went, everything it ever started becomes the
//! keeper's child, level by level, and is killed until there is none.
//!
//! It is a fork without an exec: it shares the supervisor's memory pages, holds the lock on the
//! state directory until it has finished, and needs no runtime, thread or allocation to wait.
//!
//! Should the keeper itself be killed, the supervisor starts a second one: a child, which cannot be
//! a parent any more and therefore relies on the record, as a sweep does.

use std::io::{self, BufRead as _, Read as _};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use base::Secret;
use runtime::SystemClock;
use rustix::process::{Pid, Signal, WaitOptions};

use crate::capture::Output;
use crate::cgroup::Cgroups;
use crate::children::Ticket;
use crate::launch::Launch;
use crate::lock::pause_for;
use crate::process::Owner;
use crate::process_table;
use crate::supervision::{Supervision, Timer};
use crate::sweep::{Proof, kill_run};

/// What a shell reports for a process ended by SIGKILL.
const KILLED: u8 = 137;

/// How long to wait before a third keeper, and every later one.
const AGAIN: Duration = Duration::from_secs(1);

/// Waits until the supervisor ends, passing signals on, then kills whatever it left.
pub(crate) fn guard(supervisor: Pid, cgroups: &Cgroups) -> ExitCode {
    let code = loop {
        match crate::sys::next_signal(60_000) {
            Some(libc::SIGCHLD) | None => {}
            Some(signal) => {
                if let Some(signal) = Signal::from_named_raw(signal) {
                    // It may have ended just now, which the next round sees.
                    rustix::process::kill_process(supervisor, signal).ok();
                }
            }
        }
        if let Some(code) = reap(supervisor) {
            break code;
        }
    };
    for cgroup in cgroups.paths() {
        crate::cgroup::kill_tree(&cgroup);
    }
    kill_children(supervisor);
    cgroups.remove();
    ExitCode::from(code)
}

/// Reaps everybody who exited; the supervisor's exit code if it was among them.
fn reap(supervisor: Pid) -> Option<u8> {
    let mut code = None;
    while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
        if pid == supervisor {
            let exited = status.exit_status().and_then(|code| u8::try_from(code).ok());
            code = Some(exited.unwrap_or(KILLED));
        }
    }
    code
}

/// Each death hands its children up to this process, so that nobody is out of reach for long.
fn kill_children(supervisor: Pid) {
    let own = std::process::id();
    loop {
        let all = process_table::processes();
        let family = process_table::descendants(&all, &std::collections::HashSet::from([own]));
        if family.is_empty() {
            return;
        }
        for process in family {
            process_table::kill(process);
        }
        reap(supervisor);
        pause_for(Duration::from_millis(1));
    }
}

/// What the second keeper does: waits for its input to end, then sweeps the run whose name it was
/// given as the first line.
///
/// # Errors
///
/// When its input cannot be read.
pub fn keep(state: &Path) -> io::Result<()> {
    let mut input = io::stdin().lock();
    let mut run = String::new();
    input.read_line(&mut run)?;
    input.read_to_end(&mut Vec::new())?;
    // A record of another run means that somebody has started, and swept, since then.
    if let Ok(Some(record)) = crate::record::read(state)
        && record.run == run.trim()
    {
        kill_run(&record, &SystemClock::new(), &mut Proof::default());
    }
    Ok(())
}

impl Supervision {
    /// The keeper is gone: starts a second one.
    pub(crate) fn keeper_ended(&mut self) {
        self.keeper.pid = None;
        self.keeper.pipe = None;
        let again = self.keeper.replaced;
        self.keeper.replaced = true;
        if again {
            // One that cannot live is not to be started in a tight circle.
            self.set_timer(AGAIN, Timer::StartKeeper);
        } else {
            self.start_keeper();
        }
    }

    /// Starts a second keeper.
    pub(crate) fn start_keeper(&mut self) {
        if self.stop.is_some() {
            return;
        }
        let Some((program, arguments)) = self.keeper.program.clone() else {
            self.notice(
                "the keeper was killed: should the supervisor be killed as well, what is left is \
                 removed at the next start"
                    .to_owned(),
            );
            return;
        };
        let command = plan::CommandPlan {
            program,
            arguments,
            directory: "/".into(),
            ..plan::CommandPlan::default()
        };
        match Launch::of("keeper", &command, &self.secrets, &self.surroundings) {
            Ok(mut launch) => {
                launch.dies_with_parent = false;
                launch.thorough = false;
                launch.reads_input = true;
                let output = Output::new("keeper", "keeper", Some(self.disk.clone()));
                self.launch(Owner::Keeper, launch, output);
            }
            Err(error) => self.notice(format!("the keeper cannot be started: {error}")),
        }
    }

    /// The second keeper runs.
    pub(crate) fn keeper_started(&mut self, ticket: Ticket) {
        self.keeper.pid = self.lives.get(&ticket).and_then(|live| live.pid);
        if let Some(pipe) = &self.keeper.pipe {
            let run = Secret::new(format!("{}\n", self.surroundings.run));
            // A pipe takes a line without waiting; a keeper that has died is started again.
            rustix::io::write(pipe, run.reveal().as_bytes()).ok();
        }
    }
}
