//! What is running, written down for whoever has to clean up after a supervisor that was killed.
//!
//! A process is recorded with its start time, and the whole with the boot it belongs to: a number
//! that was given to somebody else in the meantime is never mistaken for ours.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use runtime::{StateFile, StateFileError};
use serde::{Deserialize, Serialize};

use crate::process::Owner;
use crate::protocol::SOCKET;
use crate::supervision::Supervision;

/// The version of the format; an unknown one is an error, not a guess.
const FORMAT: u32 = 1;

/// A record of a thousand processes is about 100 KiB.
const LARGEST: u64 = 16 << 20;

/// Why the record could not be read.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The file could not be read.
    #[error(transparent)]
    Unreadable(#[from] StateFileError),
    /// It is no record.
    #[error("`{}` is damaged; if nothing of an earlier run is left, remove it", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// Another version of the program wrote it.
    #[error("`{}` has format {format}, this version knows {FORMAT}", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Its format.
        format: u32,
    },
}

/// What is running.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct Record {
    pub(crate) format: u32,
    pub(crate) run: String,
    pub(crate) boot: String,
    pub(crate) supervisor: RecordedProcess,
    pub(crate) processes: Vec<RecordedProcess>,
    pub(crate) cgroups: Vec<PathBuf>,
    pub(crate) addresses: BTreeSet<SocketAddr>,
    pub(crate) sockets: Vec<PathBuf>,
}

/// A process that is not mistaken for another.
#[derive(Clone, Debug, Deserialize, Eq, PartialEq, Serialize)]
pub(crate) struct RecordedProcess {
    pub(crate) pid: u32,
    pub(crate) start: u64,
    pub(crate) what: String,
}

/// Where the record is.
pub(crate) fn file(state: &Path) -> StateFile {
    StateFile::private(state.join("supervisor.json"))
}

/// Changes with every start of the machine.
pub(crate) fn boot_id() -> String {
    let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    id.trim().to_owned()
}

/// Reads the record; `None` when there is none.
pub(crate) fn read(state: &Path) -> Result<Option<Record>, RecordError> {
    let file = file(state);
    let Some(content) = file.read(LARGEST)? else { return Ok(None) };
    let path = || file.path().to_owned();
    let damaged = |source| RecordError::Damaged { path: path(), source };
    #[derive(Deserialize)]
    struct Format {
        format: u32,
    }
    let Format { format } = serde_json::from_slice(&content).map_err(damaged)?;
    if format != FORMAT {
        return Err(RecordError::Foreign { path: path(), format });
    }
    serde_json::from_slice(&content).map(Some).map_err(damaged)
}

impl Supervision {
    /// Writes the record at once, before anything is started: with the run's name alone, whoever
    /// cleans up finds everything that has its marker or is in its cgroups.
    pub(crate) fn record_first(&mut self, file: &StateFile) -> Result<(), StateFileError> {
        self.recorded = self.recorded_now();
        file.write(&self.recorded)
    }

    /// Writes the record if anything changed.
    pub(crate) fn record(&mut self) {
        let content = self.recorded_now();
        if content != self.recorded && self.disk.record(content.clone()) {
            self.recorded = content;
        }
    }

    fn recorded_now(&self) -> Vec<u8> {
        let own = std::process::id();
        let mut processes: Vec<RecordedProcess> = self
            .lives
            .values()
            .filter(|live| live.ended.is_none() && !matches!(live.owner, Owner::Probe { .. }))
            .filter_map(|live| {
                let what = match &live.owner {
                    Owner::Instance(id) | Owner::Job(id) => id.clone(),
                    Owner::Platform(name) => name.clone(),
                    Owner::Keeper | Owner::Probe { .. } => return None,
                };
                Some(RecordedProcess { pid: live.pid?, start: live.start, what })
            })
            .chain(self.orphans.iter().cloned())
            .collect();
        processes.sort_by_key(|process| process.pid);
        processes.dedup_by_key(|process| process.pid);
        let listeners = self.listeners.status();
        let record = Record {
            format: FORMAT,
            run: self.surroundings.run.clone(),
            boot: self.boot.clone(),
            supervisor: RecordedProcess {
                pid: own,
                start: self.start,
                what: "supervisor".to_owned(),
            },
            processes,
            cgroups: self.cgroups.paths(),
            addresses: self
                .instances
                .values()
                // Where one never got so far, somebody else may listen.
                .filter(|instance| instance.ticket.is_some() || instance.last_exit.is_some())
                .filter_map(|instance| instance.plan.address)
                .chain(listeners.into_iter().map(|listener| listener.address))
                .collect(),
            sockets: vec![self.runtime.join(SOCKET)],
        };
        serde_json::to_vec(&record).expect("a record is plain data")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_of_the_first_format_loads() {
        let directory = tempfile::tempdir().unwrap();
        let sample = br#"{"format":1,"run":"r1","boot":"b","supervisor":{"pid":2,"start":3,
            "what":"supervisor"},"processes":[{"pid":4,"start":5,"what":"api-1"}],
            "cgroups":["/sys/fs/cgroup/mainstay/r1"],"addresses":["127.0.0.1:8000"],
            "sockets":["/run/mainstay/supervisor.sock"]}"#;
        file(directory.path()).write(sample).unwrap();
        let record = read(directory.path()).unwrap().unwrap();
        assert_eq!((record.run.as_str(), record.processes.len()), ("r1", 1));
    }

    #[test]
    fn a_damaged_or_foreign_record_is_an_error_that_names_the_file() {
        let directory = tempfile::tempdir().unwrap();
        for content in [&b"\0\0"[..], b"{}", br#"{"format":9}"#] {
            file(directory.path()).write(content).unwrap();
            assert!(read(directory.path()).unwrap_err().to_string().contains("supervisor.json"));
        }
    }
}
