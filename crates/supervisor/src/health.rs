//! What an instance's probes say, and what follows from it.
//!
//! Until the startup probe has passed the others wait. While starting, an instance is asked every
//! [`POLL`]; afterwards as often as declared. Probes belong to one process: an answer about an
//! earlier one finds no instance with its ticket and is forgotten.

use std::time::Duration;

use base::Clock as _;
use plan::{CommandPlan, ProbeCheck, ProbePlan};

use crate::capture::Output;
use crate::children::Ticket;
use crate::event::InstanceEvent;
use crate::exits::describe;
use crate::instance::Instance;
use crate::launch::Launch;
use crate::probe::{ProbeKind, Question, ask};
use crate::process::{Ended, Live, Owner};
use crate::status::Phase;
use crate::supervision::{Event, Supervision, Timer};

/// How often a starting instance is asked.
const POLL: Duration = Duration::from_millis(100);

/// An instance without a probe and without an address is ready when it has lived for so long.
const SETTLED: Duration = Duration::from_secs(1);

/// How long a connection may take where no probe is declared.
const CONNECT: Duration = Duration::from_secs(1);

impl Supervision {
    /// The process runs: asks it for the first time.
    pub(crate) fn begin_probes(&mut self, id: &str, ticket: Ticket) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        if let Some(startup) = &instance.plan.probes.startup {
            let within = startup.within;
            self.set_timer(within, Timer::StartDeadline { ticket });
            self.probe(ticket, ProbeKind::Startup);
        } else {
            instance.health.started = true;
            self.await_readiness(id, ticket);
        }
    }

    fn await_readiness(&mut self, id: &str, ticket: Ticket) {
        let Some(instance) = self.instances.get(id) else { return };
        let probes = &instance.plan.probes;
        // Whoever has passed a startup probe listens already.
        let asked = probes.readiness.is_some()
            || (probes.startup.is_none() && instance.plan.address.is_some());
        let started_by_probe = probes.startup.is_some();
        if asked {
            self.probe(ticket, ProbeKind::Readiness);
        } else if started_by_probe {
            self.ready(id);
        } else {
            // Nothing can be asked of it; what ends at once must not have counted as ready.
            self.set_timer(SETTLED, Timer::Settled { ticket });
        }
    }

    /// A process that nothing can be asked of has lived long enough to be called ready.
    pub(crate) fn settled(&mut self, ticket: Ticket) {
        if let Some((id, _)) = self.probed_instance(ticket) {
            self.ready(&id);
        }
    }

    fn ready(&mut self, id: &str) {
        let now = self.clock.now();
        let Some(instance) = self.instances.get_mut(id) else { return };
        let Some(ticket) = instance.ticket else { return };
        if instance.phase == Phase::Stopping {
            return;
        }
        instance.phase = Phase::Ready;
        instance.reason = None;
        instance.health.ready_since.get_or_insert(now);
        let watch = !instance.health.watched;
        instance.health.watched = true;
        let liveness = instance.plan.probes.liveness.as_ref().map(|probe| probe.every);
        self.tell_instance(id, InstanceEvent::Ready);
        if let Some(every) = liveness.filter(|_| watch) {
            self.set_timer(every, Timer::Probe { ticket, kind: ProbeKind::Liveness });
        }
    }

    /// The instance whose current process has this ticket, if it is not stopping.
    fn probed_instance(&mut self, ticket: Ticket) -> Option<(String, &mut Instance)> {
        let live = self.lives.get(&ticket)?;
        let Owner::Instance(id) = &live.owner else { return None };
        let instance = self.instances.get_mut(id)?;
        let current = instance.ticket == Some(ticket)
            && live.ended.is_none()
            && instance.phase != Phase::Stopping
            && instance.wanted();
        current.then(|| (id.clone(), instance))
    }

    /// Asks once.
    pub(crate) fn probe(&mut self, ticket: Ticket, kind: ProbeKind) {
        let Some((id, instance)) = self.probed_instance(ticket) else { return };
        let plan = instance.plan.clone();
        let (check, timeout) = match probe_plan(instance, kind) {
            Some(probe) => (probe.check.clone(), probe.timeout),
            None => (ProbeCheck::Tcp, CONNECT),
        };
        let question = match check {
            ProbeCheck::Http { path } => Question::Http(path),
            ProbeCheck::Tcp => Question::Tcp,
            ProbeCheck::Command { command } => {
                let mut whole = plan.command.clone();
                whole.program.clone_from(&command.program);
                whole.arguments.clone_from(&command.arguments);
                whole.environment.extend(command.environment);
                self.probe_by_command(ticket, kind, &id, (&whole, timeout));
                return;
            }
        };
        let Some(address) = plan.address else {
            let reason = "it has no address to be asked at".to_owned();
            self.probed(ticket, kind, Err(reason));
            return;
        };
        self.tasks.spawn("probe", async move {
            let result = ask(question, address, timeout).await;
            Some(Event::Probed { ticket, kind, result })
        });
    }

    fn probe_by_command(
        &mut self,
        of: Ticket,
        kind: ProbeKind,
        id: &str,
        (command, timeout): (&CommandPlan, Duration),
    ) {
        let name = format!("{id}/probe");
        match Launch::of(&name, command, &self.secrets, &self.surroundings) {
            Ok(mut launch) => {
                launch.thorough = false;
                let output = Output::new(&name, &name, None);
                let probe = self.launch(Owner::Probe { of, kind }, launch, output);
                self.set_timer(timeout, Timer::ProbeDeadline { probe });
            }
            Err(error) => self.probed(of, kind, Err(crate::disk::chain(&error))),
        }
    }

    /// A probe's command has ended.
    pub(crate) fn probe_command_ended(
        &mut self,
        of: Ticket,
        kind: ProbeKind,
        live: &Live,
        ended: Ended,
    ) {
        let result = if ended.code == Some(0) && live.killed.is_none() {
            Ok(())
        } else {
            let how = describe(live, ended, None);
            let last = live.output.last_lines().pop();
            Err(last.map_or_else(|| how.clone(), |last| format!("{how}: {last}")))
        };
        self.probed(of, kind, result);
    }

    /// A probe has been answered.
    pub(crate) fn probed(&mut self, ticket: Ticket, kind: ProbeKind, result: Result<(), String>) {
        let Some((id, instance)) = self.probed_instance(ticket) else { return };
        let starting = instance.phase == Phase::Starting;
        match (kind, result) {
            (ProbeKind::Startup, Ok(())) => {
                instance.health.started = true;
                self.tell_instance(&id, InstanceEvent::StartupPassed);
                self.await_readiness(&id, ticket);
                return;
            }
            (ProbeKind::Startup, Err(reason)) => instance.reason = Some(reason),
            (ProbeKind::Readiness, result) => {
                self.readiness(&id, result);
                let declared =
                    self.instances.get(&id).map(|one| one.plan.probes.readiness.is_some());
                if declared == Some(false) && !starting {
                    return;
                }
                let ready = self.instances.get(&id).map(|one| one.phase) == Some(Phase::Ready);
                if declared == Some(false) && ready {
                    return;
                }
            }
            (ProbeKind::Liveness, result) => {
                if self.liveness(&id, result) {
                    return;
                }
            }
        }
        self.probe_again(&id, ticket, kind);
    }

    fn probe_again(&mut self, id: &str, ticket: Ticket, kind: ProbeKind) {
        let Some(instance) = self.instances.get(id) else { return };
        let declared = probe_plan(instance, kind).map_or(POLL, |probe| probe.every);
        let starting = instance.phase == Phase::Starting;
        let every = if starting { POLL } else { declared.max(Duration::from_millis(10)) };
        self.set_timer(every, Timer::Probe { ticket, kind });
    }

    fn readiness(&mut self, id: &str, result: Result<(), String>) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        let needed = failures(instance.plan.probes.readiness.as_ref());
        match result {
            Ok(()) => {
                instance.health.readiness_failures = 0;
                if instance.phase != Phase::Ready {
                    self.ready(id);
                }
            }
            Err(reason) => {
                instance.health.readiness_failures += 1;
                if instance.phase != Phase::Ready {
                    instance.reason = Some(reason);
                } else if needed <= instance.health.readiness_failures {
                    instance.phase = Phase::Unready;
                    instance.reason = Some(reason.clone());
                    instance.health.ready_since = None;
                    self.tell_instance(id, InstanceEvent::Unready { reason });
                }
            }
        }
    }

    /// Returns whether the instance is killed for it.
    fn liveness(&mut self, id: &str, result: Result<(), String>) -> bool {
        let Some(instance) = self.instances.get_mut(id) else { return true };
        let needed = failures(instance.plan.probes.liveness.as_ref());
        match result {
            Ok(()) => {
                instance.health.liveness_failures = 0;
                false
            }
            Err(reason) => {
                instance.health.liveness_failures += 1;
                let dead = needed <= instance.health.liveness_failures;
                if dead {
                    self.kill_instance(id, format!("not alive: {reason}"), false);
                }
                dead
            }
        }
    }

    /// The startup probe had its time.
    pub(crate) fn start_deadline(&mut self, ticket: Ticket) {
        let Some((id, instance)) = self.probed_instance(ticket) else { return };
        if instance.health.started {
            return;
        }
        let within = instance.plan.probes.startup.as_ref().map(|probe| probe.within);
        let within = base::format_duration(within.unwrap_or_default());
        let why = instance.reason.clone().unwrap_or_else(|| "no answer yet".to_owned());
        self.kill_instance(&id, format!("not started within {within}: {why}"), true);
    }
}

fn probe_plan(instance: &Instance, kind: ProbeKind) -> Option<&ProbePlan> {
    let probes = &instance.plan.probes;
    match kind {
        ProbeKind::Startup => probes.startup.as_ref(),
        ProbeKind::Readiness => probes.readiness.as_ref(),
        ProbeKind::Liveness => probes.liveness.as_ref(),
    }
}

fn failures(probe: Option<&ProbePlan>) -> u32 {
    probe.map_or(1, |probe| probe.failures.max(1))
}
