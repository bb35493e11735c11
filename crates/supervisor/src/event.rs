//! What happened, in order and numbered, so that a reader who lost its connection can tell what it
//! missed.
//!
//! The supervisor remembers the last few thousand; a reader that comes back later than that is
//! told the status instead, which is why a status always precedes events.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::job::JobResult;
use crate::port::PortHolder;
use crate::status::SupervisorStatus;
use crate::stop::StopProgress;

/// A reader who was away for fewer events misses none.
const REMEMBERED: usize = 4096;

/// What a subscriber is sent.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Update {
    /// How everything is; comes first, and again after events were missed.
    Status(SupervisorStatus),
    /// What happened since.
    Event(SupervisorEvent),
}

/// Something that happened.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct SupervisorEvent {
    /// Counts from 1 within a run, without gaps.
    pub sequence: u64,
    /// When.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// What.
    pub kind: EventKind,
}

/// What something happened to.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum EventKind {
    /// An instance.
    Instance {
        /// Its id.
        instance: String,
        /// Its service.
        service: String,
        /// What.
        event: InstanceEvent,
    },
    /// A job.
    Job {
        /// Its id.
        job: String,
        /// What it belongs to.
        service: String,
        /// What.
        event: JobEvent,
    },
    /// One of the platform's own processes.
    Platform {
        /// Its name.
        name: String,
        /// What.
        event: PlatformEvent,
    },
    /// Everything is being stopped.
    Stop(StopProgress),
    /// Something that this machine cannot do, or that went wrong beside the processes.
    Notice {
        /// In words.
        text: String,
    },
}

/// What happened to an instance.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum InstanceEvent {
    /// A process was started.
    Started {
        /// Its id.
        pid: u32,
    },
    /// The startup probe passed.
    StartupPassed,
    /// It can be given work.
    Ready,
    /// It can no longer be given work.
    Unready {
        /// Why, in words.
        reason: String,
    },
    /// It could not be started.
    Failed {
        /// Why, in words.
        reason: String,
    },
    /// It was not started because somebody else listens at its address.
    PortOccupied {
        /// Where.
        address: SocketAddr,
        /// Who, if that can be seen.
        holder: Option<PortHolder>,
    },
    /// Its process ended.
    Exited {
        /// Its exit code, if it ended by itself.
        code: Option<i32>,
        /// The signal that ended it.
        signal: Option<i32>,
        /// In words, with the cause where it is known.
        reason: String,
        /// What it wrote last.
        last_lines: Vec<String>,
    },
    /// It is started again after this long.
    BackOff {
        /// How long.
        delay: Duration,
    },
    /// It keeps ending; said once per loop.
    CrashLoop {
        /// So many exits ...
        exits: u32,
        /// ... within this time.
        within: Duration,
        /// What it wrote last.
        last_lines: Vec<String>,
    },
    /// The supervisor killed it.
    Killed {
        /// Why, in words.
        reason: String,
    },
    /// It was asked to stop.
    Stopping,
    /// It stopped because it was asked to.
    Stopped,
    /// A limit is enforced less strictly than declared, or not at all.
    LimitNotice {
        /// In words.
        text: String,
    },
    /// The disk did not keep up with its output.
    OutputDropped {
        /// So many lines are missing from its log.
        lines: u64,
    },
}

/// What happened to a job.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum JobEvent {
    /// It was started.
    Started,
    /// One of its steps began.
    Step {
        /// Which, from 0.
        step: usize,
        /// The process, if the step is a command.
        pid: Option<u32>,
    },
    /// It ended.
    Ended(JobResult),
    /// The disk did not keep up with its output.
    OutputDropped {
        /// So many lines are missing from its log.
        lines: u64,
    },
}

/// What happened to one of the platform's own processes.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum PlatformEvent {
    /// It was started.
    Started {
        /// Its id.
        pid: u32,
    },
    /// It could not be started.
    Failed {
        /// Why, in words.
        reason: String,
    },
    /// It ended without being asked to.
    Exited {
        /// Its exit code, if it ended by itself.
        code: Option<i32>,
        /// The signal that ended it.
        signal: Option<i32>,
        /// What it wrote last.
        last_lines: Vec<String>,
    },
    /// It keeps ending and is started again after this long.
    BackOff {
        /// How long.
        delay: Duration,
    },
    /// It stopped because everything is being stopped.
    Stopped,
}

/// The last events, numbered.
#[derive(Debug, Default)]
pub(crate) struct EventLog {
    last: u64,
    remembered: VecDeque<SupervisorEvent>,
}

impl EventLog {
    /// Numbers and remembers what happened.
    pub(crate) fn append(&mut self, at: Timestamp, kind: EventKind) -> SupervisorEvent {
        self.last += 1;
        let event = SupervisorEvent { sequence: self.last, at, kind };
        if self.remembered.len() == REMEMBERED {
            self.remembered.pop_front();
        }
        self.remembered.push_back(event.clone());
        event
    }

    /// The number of the last event.
    pub(crate) const fn last(&self) -> u64 {
        self.last
    }

    /// What happened after the given number, as far as it is remembered.
    pub(crate) fn after(&self, sequence: u64) -> impl Iterator<Item = &SupervisorEvent> {
        self.remembered.iter().filter(move |event| sequence < event.sequence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_who_comes_back_gets_what_it_missed() {
        let mut log = EventLog::default();
        for number in 0..5 {
            log.append(
                Timestamp::UNIX_EPOCH,
                EventKind::Notice { text: format!("event {number}") },
            );
        }
        let missed: Vec<u64> = log.after(3).map(|event| event.sequence).collect();
        assert_eq!(missed, [4, 5]);
        assert_eq!(log.last(), 5);
    }
}
