//! The one owner of all state: takes one event at a time and never waits for anything else.
//!
//! What takes time happens elsewhere and comes back as an event: processes are started and reaped
//! by the `children` thread, files written by the `disk` thread, probes asked and pipes read by
//! tasks. A process is known by its ticket, which is never given twice, unlike a process id.

use std::collections::{BTreeMap, HashMap};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base::{Clock as _, Secret};
use jiff::Timestamp;
use runtime::{SystemClock, TaskGroup};
use tokio::sync::mpsc;

use crate::cgroup::Cgroups;
use crate::children::{Answer, Children, Order, Ticket};
use crate::disk::{Disk, Trouble};
use crate::event::{EventKind, EventLog, InstanceEvent, JobEvent, Update};
use crate::instance::Instance;
use crate::job::Job;
use crate::launch::Surroundings;
use crate::listeners::Listeners;
use crate::platform::Worker;
use crate::probe::ProbeKind;
use crate::process::{Ended, Live};
use crate::protocol::{Applied, Refusal, Reply, Request};
use crate::server::Asker;
use crate::status::SupervisorStatus;
use crate::step::StepError;
use crate::stop::Stop;
use crate::usage::Usage;

/// Something that happened outside.
#[derive(Debug)]
pub(crate) enum Event {
    Child(Answer),
    Asked { asker: Asker, request: Request },
    Probed { ticket: Ticket, kind: ProbeKind, result: Result<(), String> },
    OutputEnded { ticket: Ticket },
    StepDone { job: String, serial: u64, result: Result<(), StepError> },
    Trouble(Trouble),
    ChildExited,
    StopSignal,
    LeashEnded,
    KeeperEnded,
}

/// What is to happen at a certain time, unless it no longer matters by then.
#[derive(Clone, Debug)]
pub(crate) enum Timer {
    StartInstance { instance: String, serial: u64 },
    StartDeadline { ticket: Ticket },
    StopDeadline { ticket: Ticket },
    Probe { ticket: Ticket, kind: ProbeKind },
    Settled { ticket: Ticket },
    ProbeDeadline { probe: Ticket },
    StartWorker { name: String },
    StartKeeper,
    JobDeadline { job: String, serial: u64 },
    LastOutput { ticket: Ticket },
    Sample,
}

/// Everything the supervisor knows.
pub(crate) struct Supervision {
    pub(crate) clock: SystemClock,
    pub(crate) children: Children,
    pub(crate) disk: Disk,
    pub(crate) cgroups: Cgroups,
    pub(crate) surroundings: Arc<Surroundings>,
    pub(crate) listeners: Listeners,
    pub(crate) secrets: BTreeMap<String, Secret>,
    pub(crate) generation: u64,
    pub(crate) instances: BTreeMap<String, Instance>,
    pub(crate) workers: BTreeMap<String, Worker>,
    pub(crate) jobs: BTreeMap<String, Job>,
    pub(crate) lives: HashMap<Ticket, Live>,
    pub(crate) stop: Option<Stop>,
    pub(crate) usage: Usage,
    pub(crate) keeper: Keeper,
    pub(crate) runtime: PathBuf,
    pub(crate) log: EventLog,
    pub(crate) notices: Vec<String>,
    pub(crate) tasks: TaskGroup<Option<Event>>,
    pub(crate) recorded: Vec<u8>,
    pub(crate) boot: String,
    /// When this process was started, in ticks since boot.
    pub(crate) start: u64,
    pub(crate) orphans: Vec<crate::record::RecordedProcess>,
    /// Signals to stop that have come.
    pub(crate) signals: u32,
    subscribers: Vec<Asker>,
    timers: BTreeMap<(Duration, u64), Timer>,
    last_number: u64,
}

/// Whoever cleans up should the supervisor be killed.
#[derive(Debug)]
pub(crate) struct Keeper {
    pub(crate) pid: Option<u32>,
    /// How a second one is started, should the first be killed.
    pub(crate) program: Option<(PathBuf, Vec<String>)>,
    /// As long as it is open, the second one waits.
    pub(crate) pipe: Option<OwnedFd>,
    /// Whether the first one is gone.
    pub(crate) replaced: bool,
}

/// What a new supervision is given.
pub(crate) struct Beginning {
    pub(crate) children: Children,
    pub(crate) disk: Disk,
    pub(crate) cgroups: Cgroups,
    pub(crate) surroundings: Surroundings,
    pub(crate) listeners: Listeners,
    pub(crate) keeper: Keeper,
    pub(crate) runtime: PathBuf,
}

impl Supervision {
    pub(crate) fn new(beginning: Beginning) -> Self {
        Self {
            clock: SystemClock::new(),
            children: beginning.children,
            disk: beginning.disk,
            cgroups: beginning.cgroups,
            surroundings: Arc::new(beginning.surroundings),
            listeners: beginning.listeners,
            secrets: BTreeMap::new(),
            generation: 0,
            instances: BTreeMap::new(),
            workers: BTreeMap::new(),
            jobs: BTreeMap::new(),
            lives: HashMap::new(),
            stop: None,
            usage: Usage::default(),
            keeper: beginning.keeper,
            runtime: beginning.runtime,
            log: EventLog::default(),
            notices: Vec::new(),
            tasks: TaskGroup::new(),
            recorded: Vec::new(),
            boot: crate::record::boot_id(),
            start: crate::process_table::process(std::process::id())
                .map_or(0, |process| process.start),
            orphans: Vec::new(),
            signals: 0,
            subscribers: Vec::new(),
            timers: BTreeMap::new(),
            last_number: 0,
        }
    }

    /// Takes events until everything was stopped.
    pub(crate) async fn run(&mut self, events: &mut mpsc::Receiver<Event>) {
        self.set_timer(Duration::ZERO, Timer::Sample);
        while !self.finished() {
            let next = self.timers.first_key_value().map(|((at, _), _)| *at);
            let wait = next.map(|at| at.saturating_sub(self.clock.now()));
            let timer = tokio::time::sleep(wait.unwrap_or(Duration::from_secs(3_600)));
            tokio::select! {
                Some(event) = events.recv() => self.handle(event),
                Some(exit) = self.tasks.next() => match exit.result {
                    Ok(Some(event)) => self.handle(event),
                    Ok(None) => {}
                    Err(error) => self.notice(format!("task `{}` failed: {error}", exit.name)),
                },
                () = timer => self.fire(),
            }
            self.record();
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Child(Answer::Started { ticket, result }) => self.started(ticket, result),
            Event::Child(Answer::Exited { ticket, code, signal, left_behind, out_of_memory }) => {
                self.exited(ticket, Ended { code, signal, left_behind, out_of_memory });
            }
            Event::Asked { asker, request } => self.asked(asker, request),
            Event::Probed { ticket, kind, result } => self.probed(ticket, kind, result),
            Event::OutputEnded { ticket } => self.output_ended(ticket),
            Event::StepDone { job, serial, result } => self.step_done(&job, serial, result),
            Event::Trouble(trouble) => self.trouble(trouble),
            Event::ChildExited => self.children.order(Order::Reap),
            Event::StopSignal => self.stop_signal(),
            Event::LeashEnded => self.stop_asked(None),
            Event::KeeperEnded => self.keeper_ended(),
        }
    }

    fn fire(&mut self) {
        let now = self.clock.now();
        while let Some(entry) = self.timers.first_entry()
            && entry.key().0 <= now
        {
            match entry.remove() {
                Timer::StartInstance { instance, serial } => self.start_again(&instance, serial),
                Timer::StartDeadline { ticket } => self.start_deadline(ticket),
                Timer::StopDeadline { ticket } => self.kill(ticket, None),
                Timer::Probe { ticket, kind } => self.probe(ticket, kind),
                Timer::Settled { ticket } => self.settled(ticket),
                Timer::ProbeDeadline { probe } => {
                    self.kill(probe, Some("no answer in time".to_owned()));
                }
                Timer::StartKeeper => self.start_keeper(),
                Timer::StartWorker { name } => self.start_worker(&name),
                Timer::JobDeadline { job, serial } => self.job_deadline(&job, serial),
                Timer::LastOutput { ticket } => self.gone(ticket),
                Timer::Sample => self.sample(),
            }
        }
    }

    fn asked(&mut self, asker: Asker, request: Request) {
        let done = |result: Result<(), Refusal>| match result {
            Ok(()) => Reply::Done,
            Err(refusal) => Reply::Refused(refusal),
        };
        let reply = match request {
            Request::Apply { plan, changed } => match self.apply(&plan, changed) {
                Ok(()) => Reply::Applied(Applied { generation: self.generation }),
                Err(refusal) => Reply::Refused(refusal),
            },
            Request::Secrets(values) => {
                self.secrets = values.0;
                self.secrets_arrived();
                Reply::Done
            }
            Request::Run(job) => match self.run_job(job, asker.clone()) {
                Ok(()) => return,
                Err(refusal) => Reply::Refused(refusal),
            },
            Request::Cancel { job } => done(self.cancel_job(&job)),
            Request::Restart { instance } => done(self.restart_instance(&instance)),
            Request::Status => Reply::Status(self.status()),
            Request::Subscribe { after } => {
                self.subscribe(asker, after);
                return;
            }
            Request::Stop => {
                self.stop_asked(Some(asker));
                return;
            }
            Request::Hurry => {
                self.hurry();
                Reply::Done
            }
        };
        // Whoever asked may be gone; what was asked is done all the same.
        asker.reply(reply);
    }

    fn subscribe(&mut self, asker: Asker, after: Option<u64>) {
        let mut reads = asker.reply(Reply::Update(Update::Status(self.status())));
        if let Some(after) = after {
            for event in self.log.after(after) {
                reads = reads && asker.reply(Reply::Update(Update::Event(event.clone())));
            }
        }
        if reads {
            self.subscribers.push(asker);
        }
    }

    /// A number that is never given twice.
    pub(crate) const fn number(&mut self) -> u64 {
        self.last_number += 1;
        self.last_number
    }

    pub(crate) fn set_timer(&mut self, after: Duration, timer: Timer) {
        let at = self.clock.now() + after;
        let number = self.number();
        self.timers.insert((at, number), timer);
    }

    /// The time of day.
    pub(crate) fn wall(&self) -> Timestamp {
        Timestamp::try_from(self.clock.wall()).unwrap_or(Timestamp::UNIX_EPOCH)
    }

    /// Tells everybody what happened.
    pub(crate) fn tell(&mut self, kind: EventKind) {
        let event = self.log.append(self.wall(), kind);
        let update = Update::Event(event);
        self.subscribers.retain(|asker| asker.reply(Reply::Update(update.clone())));
    }

    /// Tells once what this machine cannot do.
    pub(crate) fn notice(&mut self, text: String) {
        if self.notices.contains(&text) {
            return;
        }
        self.notices.push(text.clone());
        // Bounded, should every new one differ.
        if 100 < self.notices.len() {
            self.notices.remove(0);
        }
        self.tell(EventKind::Notice { text });
    }

    fn trouble(&mut self, trouble: Trouble) {
        match trouble {
            Trouble::Record { reason } => {
                self.notice(format!("the supervisor's record is out of date: {reason}"));
            }
            // Counted here and told with the next sample: a full disk is one fact, not thousands.
            Trouble::Lines { id, lines } => {
                let outputs = [
                    self.instances.get(&*id).map(|instance| &instance.output),
                    self.jobs.get(&*id).map(|job| &job.output),
                    self.workers.get(&*id).map(|worker| &worker.output),
                ];
                if let Some(output) = outputs.into_iter().flatten().next() {
                    output.count_dropped(lines);
                }
            }
        }
    }

    /// Says that lines of an instance's or job's log are missing.
    pub(crate) fn output_dropped(&mut self, id: &str, lines: u64) {
        if lines == 0 {
            return;
        }
        if let Some(instance) = self.instances.get(id) {
            let service = instance.plan.service.clone();
            let event = InstanceEvent::OutputDropped { lines };
            self.tell(EventKind::Instance { instance: id.to_owned(), service, event });
        } else if let Some(job) = self.jobs.get(id) {
            let service = job.plan.service.clone();
            let event = JobEvent::OutputDropped { lines };
            self.tell(EventKind::Job { job: id.to_owned(), service, event });
        } else {
            self.notice(format!(
                "lines of the log of `{id}` are missing: the disk did not keep up"
            ));
        }
    }

    /// How everything is.
    pub(crate) fn status(&self) -> SupervisorStatus {
        SupervisorStatus {
            run: self.surroundings.run.clone(),
            generation: self.generation,
            sequence: self.log.last(),
            stopping: self.stop.is_some(),
            platform: self.platform_status(),
            instances: self.instances.values().map(|one| self.instance_status(one)).collect(),
            jobs: self.jobs.values().map(|job| self.job_status(job)).collect(),
            listeners: self.listeners.status(),
            notices: self.notices.clone(),
        }
    }
}
