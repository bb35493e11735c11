//! Removing what a killed supervisor left, and proving that nothing is left.
//!
//! Usually there is nothing: parent-death signals and the keeper have done it. This is for the case
//! that both were killed, and for the proof. A process belongs to a run if the record names it and
//! its start time, if it is in the run's cgroup, if the run's marker is in its environment, or if
//! it descends from one of these. Never by name.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base::Clock as _;
use runtime::SystemClock;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::launch::RUN;
use crate::lock::{Lock, LockError, pause_for};
use crate::process_table::{self, Process};
use crate::record::{self, Record, RecordError, boot_id};

/// After this, what cannot be killed is reported as left: it hangs in the kernel.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a keeper may still be at work.
const KEEPER: Duration = Duration::from_secs(5);

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
pub enum SweepError {
    /// A supervisor is running, or the lock cannot be taken.
    #[error(transparent)]
    Locked(#[from] LockError),
    /// The record cannot be read.
    #[error(transparent)]
    Record(#[from] RecordError),
}

/// What was found and what is left.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct Proof {
    /// Processes that were left and are gone now.
    pub killed: Vec<SweptProcess>,
    /// Processes that could not be killed.
    pub left: Vec<SweptProcess>,
    /// Addresses on which somebody still listens.
    pub ports_still_open: Vec<SocketAddr>,
    /// Sockets on which somebody still listens.
    pub sockets_left: Vec<PathBuf>,
    /// How long it took.
    pub elapsed: Duration,
}

impl Proof {
    /// Whether nothing is left.
    #[must_use]
    pub const fn clean(&self) -> bool {
        self.left.is_empty() && self.ports_still_open.is_empty() && self.sockets_left.is_empty()
    }
}

/// A process that a sweep found.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct SweptProcess {
    /// Its id.
    pub pid: u32,
    /// The name of its program.
    pub command: String,
}

/// Kills what a dead supervisor left and proves that nothing remains. Blocks.
///
/// # Errors
///
/// When a supervisor is running, or its record cannot be read.
pub fn sweep(state: &Path, runtime: &Path) -> Result<Proof, SweepError> {
    if !state.is_dir() {
        return Ok(Proof::default());
    }
    let _lock = Lock::take(state, KEEPER)?;
    Ok(sweep_locked(state, runtime)?)
}

/// As [`sweep`], for whoever has the lock.
pub(crate) fn sweep_locked(state: &Path, runtime: &Path) -> Result<Proof, RecordError> {
    let clock = SystemClock::new();
    let mut proof = Proof::default();
    let mut sockets = vec![runtime.join(crate::protocol::SOCKET)];
    if let Some(record) = record::read(state)? {
        if record.boot == boot_id() {
            kill_run(&record, &clock, &mut proof);
        }
        for cgroup in &record.cgroups {
            crate::cgroup::remove_tree(cgroup);
        }
        let open = |address: &SocketAddr| {
            crate::port::port_holder(*address).is_some() || !crate::port::port_is_free(*address)
        };
        proof.ports_still_open = record.addresses.iter().copied().filter(open).collect();
        sockets.extend(record.sockets);
    }
    sockets.sort();
    sockets.dedup();
    for socket in sockets {
        if std::os::unix::net::UnixStream::connect(&socket).is_ok() {
            proof.sockets_left.push(socket);
        } else {
            // A file that nobody listens on; there may be none.
            std::fs::remove_file(&socket).ok();
        }
    }
    if proof.clean() {
        record::file(state).remove()?;
    }
    proof.elapsed = clock.now();
    Ok(proof)
}

/// Kills until nobody is left: what is found may have started something else meanwhile.
pub(crate) fn kill_run(record: &Record, clock: &SystemClock, proof: &mut Proof) {
    let spared = process_table::own_line();
    let begun = clock.now();
    let mut seen: Vec<Process> = Vec::new();
    loop {
        seen.extend(members(record, &spared));
        seen.retain(process_table::lives);
        seen.sort_by_key(|process| process.pid);
        seen.dedup_by_key(|process| process.pid);
        let found = &seen;
        proof.left = found
            .iter()
            .map(|process| SweptProcess { pid: process.pid, command: process.name.clone() })
            .collect();
        if found.is_empty() || PATIENCE < clock.now().saturating_sub(begun) {
            break;
        }
        for process in &proof.left {
            if !proof.killed.contains(process) {
                proof.killed.push(process.clone());
            }
        }
        for cgroup in &record.cgroups {
            crate::cgroup::kill_tree(cgroup);
        }
        for process in found {
            process_table::kill(process);
        }
        pause_for(Duration::from_millis(2));
    }
    let left: HashSet<u32> = proof.left.iter().map(|process| process.pid).collect();
    proof.killed.retain(|process| !left.contains(&process.pid));
}

fn members(record: &Record, spared: &HashSet<u32>) -> Vec<Process> {
    let all = process_table::processes();
    let in_cgroups: HashSet<u32> =
        record.cgroups.iter().flat_map(|path| crate::cgroup::tree_members(path)).collect();
    let marker = format!("{RUN}={}", record.run);
    let is_recorded = |process: &Process| {
        let mut known = record.processes.iter().chain([&record.supervisor]);
        known.any(|known| known.pid == process.pid && known.start == process.start)
    };
    // A leader that is gone leaves its number to its group; a number that was given away since then
    // belongs to a process with another start time, and its group is not ours.
    let groups: HashSet<u32> = record
        .processes
        .iter()
        .filter(|known| {
            let now = all.iter().find(|process| process.pid == known.pid);
            now.is_some_and(|now| now.start == known.start)
        })
        .map(|known| known.pid)
        .collect();
    let roots: HashSet<u32> = all
        .iter()
        .filter(|process| {
            is_recorded(process)
                || groups.contains(&process.group)
                || in_cgroups.contains(&process.pid)
                || process_table::has_marker(process.pid, &marker)
        })
        .map(|process| process.pid)
        .collect();
    let family: HashSet<u32> =
        process_table::descendants(&all, &roots).iter().map(|process| process.pid).collect();
    all.into_iter()
        .filter(|process| roots.contains(&process.pid) || family.contains(&process.pid))
        .filter(|process| process.alive() && !spared.contains(&process.pid))
        .collect()
}
