//! One process, from the order to start it until its last output was read, whoever owns it.
//!
//! An exit is told to the owner only when the output was read to its end, so that the last lines
//! are there to be told with it.

use std::time::Duration;

use base::Secret;
use jiff::Timestamp;
use tokio::net::unix::pipe;

use crate::capture::Output;
use crate::cgroup::Cgroup;
use crate::children::{Order, Ticket};
use crate::launch::{Launch, LaunchError, Launched};
use crate::log_line::Stream;
use crate::probe::ProbeKind;
use crate::supervision::{Event, Supervision, Timer};

/// A process's last output may still be in its pipe when it is reaped; a pipe that stays open this
/// long is held by somebody else.
const LAST_OUTPUT: Duration = Duration::from_millis(200);

/// Whose process it is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Owner {
    Instance(String),
    Job(String),
    Probe { of: Ticket, kind: ProbeKind },
    Platform(String),
    Keeper,
}

/// A process, from the order to start it until its last output was read.
#[derive(Debug)]
pub(crate) struct Live {
    pub(crate) owner: Owner,
    pub(crate) pid: Option<u32>,
    /// With the pid, this names the process for good.
    pub(crate) start: u64,
    pub(crate) started_at: Timestamp,
    pub(crate) output: Output,
    pub(crate) cgroup: Cgroup,
    pub(crate) input: Option<Secret>,
    pub(crate) ended: Option<Ended>,
    pub(crate) pipes: u8,
    /// How often the kernel had killed something in its cgroup when last looked at.
    pub(crate) memory_kills: u64,
    /// Why the supervisor killed it, if it did.
    pub(crate) killed: Option<String>,
}

/// How a process ended.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) signal: Option<i32>,
    pub(crate) left_behind: usize,
    pub(crate) out_of_memory: bool,
}

impl Supervision {
    /// Orders a process to be started.
    pub(crate) fn launch(&mut self, owner: Owner, launch: Launch, output: Output) -> Ticket {
        let ticket = self.number();
        output.begin();
        let live = Live {
            owner,
            pid: None,
            start: 0,
            started_at: self.wall(),
            output,
            memory_kills: launch.cgroup.out_of_memory_kills(),
            cgroup: launch.cgroup.clone(),
            input: None,
            ended: None,
            pipes: 0,
            killed: None,
        };
        self.lives.insert(ticket, live);
        self.children.order(Order::Start { ticket, launch: Box::new(launch) });
        ticket
    }

    pub(crate) fn started(&mut self, ticket: Ticket, result: Result<Launched, LaunchError>) {
        let Some(live) = self.lives.get_mut(&ticket) else { return };
        let owner = live.owner.clone();
        match result {
            Ok(launched) => {
                live.pid = Some(launched.pid);
                live.start = launched.start;
                let input = live.input.take();
                self.attach(ticket, launched, input);
                self.owner_started(&owner, ticket);
            }
            Err(error) => {
                if let Some(live) = self.lives.remove(&ticket) {
                    live.cgroup.remove();
                }
                self.owner_failed(&owner, &error);
            }
        }
    }

    /// Reads the process's output, and writes its input if it has one.
    fn attach(&mut self, ticket: Ticket, launched: Launched, input: Option<Secret>) {
        let Some(live) = self.lives.get_mut(&ticket) else { return };
        let mut failed = None;
        for (descriptor, stream) in [(launched.output, Stream::Out), (launched.error, Stream::Err)]
        {
            match pipe::Receiver::from_owned_fd(descriptor) {
                Ok(pipe) => {
                    let output = live.output.clone();
                    live.pipes += 1;
                    self.tasks.spawn("output", async move {
                        output.capture(pipe, stream).await;
                        Some(Event::OutputEnded { ticket })
                    });
                }
                Err(error) => failed = Some(error),
            }
        }
        if live.owner == Owner::Keeper {
            self.keeper.pipe = launched.input;
        } else if let (Some(descriptor), Some(text)) = (launched.input, input) {
            match pipe::Sender::from_owned_fd(descriptor) {
                Ok(mut pipe) => self.tasks.spawn("input", async move {
                    use tokio::io::AsyncWriteExt as _;
                    // A process that does not read all of its input says so by its exit.
                    pipe.write_all(text.reveal().as_bytes()).await.ok();
                    None
                }),
                Err(error) => failed = Some(error),
            }
        }
        if let Some(error) = failed {
            self.notice(format!("cannot read the output of a process: {error}"));
        }
    }

    pub(crate) fn exited(&mut self, ticket: Ticket, ended: Ended) {
        let Some(live) = self.lives.get_mut(&ticket) else { return };
        live.ended = Some(ended);
        if live.pipes == 0 {
            self.gone(ticket);
        } else {
            self.set_timer(LAST_OUTPUT, Timer::LastOutput { ticket });
        }
    }

    pub(crate) fn output_ended(&mut self, ticket: Ticket) {
        let Some(live) = self.lives.get_mut(&ticket) else { return };
        live.pipes = live.pipes.saturating_sub(1);
        if live.pipes == 0 && live.ended.is_some() {
            self.gone(ticket);
        }
    }

    /// The process has ended and its output was read: tells its owner.
    pub(crate) fn gone(&mut self, ticket: Ticket) {
        let Some(live) = self.lives.remove(&ticket) else { return };
        let Some(ended) = live.ended else {
            self.lives.insert(ticket, live);
            return;
        };
        live.cgroup.remove();
        let dropped = live.output.take_dropped();
        match live.owner.clone() {
            Owner::Instance(id) => {
                self.output_dropped(&id, dropped);
                self.instance_ended(&id, ticket, &live, ended);
            }
            Owner::Job(id) => {
                self.output_dropped(&id, dropped);
                self.job_process_ended(&id, &live, ended);
            }
            Owner::Probe { of, kind } => self.probe_command_ended(of, kind, &live, ended),
            Owner::Platform(name) => self.worker_ended(&name, &live, ended),
            Owner::Keeper => self.keeper_ended(),
        }
    }

    fn owner_started(&mut self, owner: &Owner, ticket: Ticket) {
        match owner {
            Owner::Instance(id) => self.instance_started(id, ticket),
            Owner::Job(id) => self.job_process_started(id, ticket),
            Owner::Platform(name) => self.worker_started(name, ticket),
            Owner::Keeper => self.keeper_started(ticket),
            Owner::Probe { .. } => {}
        }
    }

    fn owner_failed(&mut self, owner: &Owner, error: &LaunchError) {
        let reason = crate::disk::chain(error);
        match owner {
            Owner::Instance(id) => self.instance_failed(id, reason),
            Owner::Job(id) => self.job_process_failed(id, reason),
            Owner::Platform(name) => self.worker_failed(name, reason),
            Owner::Probe { of, kind } => self.probed(*of, *kind, Err(reason)),
            Owner::Keeper => self.notice(format!("the keeper cannot be started: {reason}")),
        }
    }

    /// Kills a process and everything it started.
    pub(crate) fn kill(&mut self, ticket: Ticket, reason: Option<String>) {
        let Some(live) = self.lives.get_mut(&ticket) else { return };
        if reason.is_some() {
            live.killed = reason;
        }
        self.children.order(Order::Kill { ticket });
    }
}
