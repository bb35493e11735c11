//! The platform's own processes: control, which decides, and the gateway, which serves.
//!
//! They are started again at once. Only one that dies right after its start, again and again, is
//! made to wait, and never for long: without the gateway nobody is served.

use std::path::PathBuf;
use std::time::Duration;

use base::{Clock as _, Secret};
use jiff::Timestamp;

use crate::capture::Output;
use crate::children::Ticket;
use crate::event::{EventKind, PlatformEvent};
use crate::exits::describe;
use crate::launch::Launch;
use crate::options::PlatformProcess;
use crate::process::{Ended, Live, Owner};
use crate::status::{Exit, PlatformStatus};
use crate::supervision::{Supervision, Timer};

/// A process that lived at least this long is started again without waiting.
const HEALTHY: Duration = Duration::from_secs(5);

/// The longest wait of one that keeps dying.
const LONGEST: Duration = Duration::from_secs(5);

/// One of the platform's processes.
#[derive(Debug)]
pub(crate) struct Worker {
    pub(crate) process: PlatformProcess,
    pub(crate) ticket: Option<Ticket>,
    pub(crate) stopping: bool,
    pub(crate) output: Output,
    restarts: u64,
    last_exit: Option<Exit>,
    /// Deaths in a row, each shortly after the start.
    early_deaths: u32,
    started: Duration,
}

impl Supervision {
    /// Starts one for the first time.
    pub(crate) fn add_worker(&mut self, process: PlatformProcess) {
        let name = process.name.clone();
        let worker = Worker {
            output: Output::new(&name, &name, Some(self.disk.clone())),
            process,
            ticket: None,
            stopping: false,
            restarts: 0,
            last_exit: None,
            early_deaths: 0,
            started: Duration::ZERO,
        };
        self.workers.insert(name.clone(), worker);
        self.start_worker(&name);
    }

    /// Starts one.
    pub(crate) fn start_worker(&mut self, name: &str) {
        let now = self.clock.now();
        let Some(worker) = self.workers.get_mut(name) else { return };
        if worker.stopping || worker.ticket.is_some() {
            return;
        }
        worker.started = now;
        let process = worker.process.clone();
        let output = worker.output.clone();
        let mut launch = Launch {
            name: process.name.clone(),
            program: process.program,
            arguments: process.arguments,
            environment: Vec::new(),
            directory: PathBuf::from("/"),
            user: process.user,
            cgroup: crate::cgroup::Cgroup::default(),
            data_limit: None,
            reads_input: false,
            inherited: None,
            dies_with_parent: true,
            thorough: false,
            surroundings: std::sync::Arc::clone(&self.surroundings),
        };
        let variables = process.environment.into_iter();
        launch.environment = variables.map(|(name, value)| (name, Secret::new(value))).collect();
        if process.sockets {
            match self.listeners.channel() {
                Ok(channel) => launch.inherited = Some(channel),
                Err(error) => {
                    self.worker_failed(name, format!("cannot make its channel: {error}"));
                    return;
                }
            }
        }
        let ticket = self.launch(Owner::Platform(name.to_owned()), launch, output);
        if let Some(worker) = self.workers.get_mut(name) {
            worker.ticket = Some(ticket);
        }
    }

    /// It runs.
    pub(crate) fn worker_started(&mut self, name: &str, ticket: Ticket) {
        let Some(pid) = self.lives.get(&ticket).and_then(|live| live.pid) else { return };
        self.tell_platform(name, PlatformEvent::Started { pid });
    }

    /// It could not be started.
    pub(crate) fn worker_failed(&mut self, name: &str, reason: String) {
        let Some(worker) = self.workers.get_mut(name) else { return };
        worker.ticket = None;
        if worker.process.sockets {
            self.listeners.disconnect();
        }
        self.tell_platform(name, PlatformEvent::Failed { reason });
        self.again(name);
    }

    /// It has ended.
    pub(crate) fn worker_ended(&mut self, name: &str, live: &Live, ended: Ended) {
        let (at, now) = (self.wall(), self.clock.now());
        let Some(worker) = self.workers.get_mut(name) else { return };
        worker.ticket = None;
        let (code, signal) = (ended.code, ended.signal);
        worker.last_exit = Some(Exit { at, code, signal, reason: describe(live, ended, None) });
        if HEALTHY <= now.saturating_sub(worker.started) {
            worker.early_deaths = 0;
        }
        let stopping = worker.stopping;
        if worker.process.sockets {
            self.listeners.disconnect();
        }
        if stopping {
            self.tell_platform(name, PlatformEvent::Stopped);
            self.advance_stop();
            return;
        }
        let last_lines = live.output.last_lines();
        self.tell_platform(name, PlatformEvent::Exited { code, signal, last_lines });
        self.again(name);
    }

    fn again(&mut self, name: &str) {
        let Some(worker) = self.workers.get_mut(name) else { return };
        if worker.stopping {
            self.advance_stop();
            return;
        }
        worker.restarts += 1;
        worker.early_deaths += 1;
        // The first three deaths cost nothing; then 50 ms, doubling.
        let looping = worker.early_deaths.saturating_sub(3);
        if looping == 0 {
            self.start_worker(name);
            return;
        }
        let delay = Duration::from_millis(50).saturating_mul(1 << looping.min(10)).min(LONGEST);
        self.tell_platform(name, PlatformEvent::BackOff { delay });
        self.set_timer(delay, Timer::StartWorker { name: name.to_owned() });
    }

    fn tell_platform(&mut self, name: &str, event: PlatformEvent) {
        self.tell(EventKind::Platform { name: name.to_owned(), event });
    }

    pub(crate) fn platform_status(&self) -> Vec<PlatformStatus> {
        let own = |name: &str, pid: Option<u32>, started_at: Option<Timestamp>| PlatformStatus {
            name: name.to_owned(),
            pid,
            started_at,
            restarts: 0,
            last_exit: None,
            cpu_millis: pid.and_then(|pid| self.usage.of_process(pid)?.cpu_millis),
            memory: pid.and_then(|pid| self.usage.of_process(pid)?.memory),
        };
        let mut all = vec![
            own("supervisor", Some(std::process::id()), None),
            own("keeper", self.keeper.pid, None),
        ];
        for (name, worker) in &self.workers {
            let live = worker.ticket.and_then(|ticket| self.lives.get(&ticket));
            let mut status =
                own(name, live.and_then(|live| live.pid), live.map(|live| live.started_at));
            status.restarts = worker.restarts;
            status.last_exit.clone_from(&worker.last_exit);
            all.push(status);
        }
        all
    }
}
