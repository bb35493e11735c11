//! The life of an instance: waiting, starting, ready or not, stopping, and started again.
//!
//! What is wanted (`Wish`) and what is (`phase`) are kept apart: a request changes the wish, an
//! event changes the phase, and when a process has ended the wish says what comes next.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use base::Clock as _;
use plan::{InstancePlan, RestartPolicy, SupervisorPlan};

use crate::capture::Output;
use crate::cgroup::Lack;
use crate::children::{Order, Ticket};
use crate::event::{EventKind, InstanceEvent};
use crate::exits::{BackOff, describe};
use crate::launch::{Launch, LaunchError};
use crate::process::{Ended, Live, Owner};
use crate::protocol::{Changed, Refusal, by};
use crate::status::{Exit, InstanceStatus, Phase};
use crate::supervision::{Supervision, Timer};

/// Without a memory cgroup a process may map this many times the declared memory privately. It is
/// generous because runtimes with a garbage collector or many threads map far more than they use;
/// what is really used is measured and enforced by the supervisor.
const DATA_PER_MEMORY: u64 = 4;

/// What is to become of an instance.
#[derive(Clone, Debug)]
enum Wish {
    /// It should run.
    Run,
    /// It should be stopped and started, by a new plan if there is one.
    Restart(Option<Arc<InstancePlan>>),
    /// It should be stopped and forgotten.
    Remove,
    /// It should be stopped, together with everything.
    Stop,
}

/// One instance.
#[derive(Debug)]
pub(crate) struct Instance {
    pub(crate) plan: Arc<InstancePlan>,
    pub(crate) phase: Phase,
    pub(crate) reason: Option<String>,
    pub(crate) ticket: Option<Ticket>,
    pub(crate) output: Output,
    pub(crate) restarts: u64,
    pub(crate) last_exit: Option<Exit>,
    /// The secret it waits for.
    missing: Option<String>,
    /// The plan for the next start, when the current process is to be kept.
    later: Option<Arc<InstancePlan>>,
    wish: Wish,
    pub(crate) back_off: BackOff,
    /// Changes whenever a planned start becomes void.
    serial: u64,
    pub(crate) health: Health,
}

/// What the probes of the current process said.
#[derive(Debug, Default)]
pub(crate) struct Health {
    pub(crate) started: bool,
    pub(crate) ready_since: Option<Duration>,
    pub(crate) readiness_failures: u32,
    pub(crate) liveness_failures: u32,
    /// Whether liveness probes have begun.
    pub(crate) watched: bool,
}

impl Supervision {
    /// Carries out a plan.
    pub(crate) fn apply(&mut self, plan: &SupervisorPlan, changed: Changed) -> Result<(), Refusal> {
        if self.stop.is_some() {
            return Err(Refusal::Stopping);
        }
        if plan.generation < self.generation {
            return Ok(());
        }
        refuse_duplicates(plan)?;
        self.listeners.apply(&plan.listeners)?;
        self.generation = plan.generation;
        let gone: Vec<String> = self
            .instances
            .keys()
            .filter(|id| !plan.instances.iter().any(|wanted| wanted.id == **id))
            .cloned()
            .collect();
        for id in gone {
            self.wish(&id, Wish::Remove);
        }
        for wanted in &plan.instances {
            self.apply_instance(wanted, changed);
        }
        Ok(())
    }

    fn apply_instance(&mut self, wanted: &InstancePlan, changed: Changed) {
        let Some(instance) = self.instances.get_mut(&wanted.id) else {
            let output = Output::new(&wanted.id, &wanted.service, Some(self.disk.clone()));
            let instance = Instance::new(Arc::new(wanted.clone()), output);
            self.instances.insert(wanted.id.clone(), instance);
            self.start_instance(&wanted.id);
            return;
        };
        let current = match &instance.wish {
            Wish::Restart(Some(plan)) => plan,
            _ => instance.later.as_ref().unwrap_or(&instance.plan),
        };
        let same = **current == *wanted;
        match instance.wish {
            // It was to go, and is wanted again before it went.
            Wish::Remove => instance.wish = Wish::Restart(Some(Arc::new(wanted.clone()))),
            Wish::Run | Wish::Restart(_) | Wish::Stop if same => {}
            Wish::Run if changed == Changed::Keep && instance.ticket.is_some() => {
                instance.later = Some(Arc::new(wanted.clone()));
            }
            Wish::Run | Wish::Restart(_) | Wish::Stop => {
                self.wish(&wanted.id, Wish::Restart(Some(Arc::new(wanted.clone()))));
            }
        }
    }

    /// Stops an instance and starts it again.
    pub(crate) fn restart_instance(&mut self, id: &str) -> Result<(), Refusal> {
        if self.stop.is_some() {
            return Err(Refusal::Stopping);
        }
        let instance = self.instances.get(id).ok_or_else(|| Refusal::NoInstance(id.to_owned()))?;
        let plan = match &instance.wish {
            Wish::Restart(plan) => plan.clone(),
            Wish::Run | Wish::Remove | Wish::Stop => instance.later.clone(),
        };
        self.wish(id, Wish::Restart(plan));
        Ok(())
    }

    /// Stops an instance for good.
    pub(crate) fn stop_instance(&mut self, id: &str) {
        self.wish(id, Wish::Stop);
    }

    /// Changes what is to become of an instance, and stops its process if it has one.
    fn wish(&mut self, id: &str, wish: Wish) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        instance.wish = wish;
        instance.serial += 1;
        let Some(ticket) = instance.ticket else {
            self.fulfil(id);
            return;
        };
        if instance.phase == Phase::Stopping {
            return;
        }
        instance.phase = Phase::Stopping;
        instance.reason = None;
        self.tell_instance(id, InstanceEvent::Stopping);
        self.ask_to_stop(ticket, id);
    }

    fn ask_to_stop(&mut self, ticket: Ticket, id: &str) {
        let Some(instance) = self.instances.get(id) else { return };
        let stop = instance.plan.stop;
        self.children.order(Order::Stop { ticket, signal: stop.signal });
        self.set_timer(stop.deadline, Timer::StopDeadline { ticket });
    }

    /// There is no process: does what the wish says.
    fn fulfil(&mut self, id: &str) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        match std::mem::replace(&mut instance.wish, Wish::Run) {
            Wish::Run => {}
            Wish::Restart(plan) => {
                if let Some(plan) = plan {
                    instance.plan = plan;
                    instance.later = None;
                    instance.back_off = BackOff::default();
                }
                self.start_instance(id);
            }
            Wish::Remove => {
                self.instances.remove(id);
            }
            Wish::Stop => {
                instance.wish = Wish::Stop;
                instance.phase = Phase::Exited;
                self.advance_stop();
            }
        }
    }

    /// Starts an instance that has no process.
    fn start_instance(&mut self, id: &str) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        if let Some(plan) = instance.later.take() {
            instance.plan = plan;
        }
        instance.serial += 1;
        instance.missing = None;
        instance.health = Health::default();
        instance.phase = Phase::Waiting;
        instance.reason = None;
        let plan = Arc::clone(&instance.plan);
        let output = instance.output.clone();
        if let Some(address) = plan.address
            && !crate::port::port_is_free(address)
        {
            let holder = crate::port::port_holder(address);
            let reason = format!("address {address} is in use{}", by(holder.as_ref()));
            self.tell_instance(id, InstanceEvent::PortOccupied { address, holder });
            self.instance_failed(id, reason);
            return;
        }
        let launch = Launch::of(id, &plan.command, &self.secrets, &self.surroundings);
        match launch {
            Ok(launch) => self.launch_instance(launch, &plan, output),
            Err(LaunchError::NoSecret(secret)) => {
                let reason = LaunchError::NoSecret(secret.clone()).to_string();
                if let Some(instance) = self.instances.get_mut(id) {
                    instance.missing = Some(secret);
                    instance.phase = Phase::Failed;
                    instance.reason = Some(reason.clone());
                }
                self.tell_instance(id, InstanceEvent::Failed { reason });
            }
            Err(error) => self.instance_failed(id, crate::disk::chain(&error)),
        }
    }

    fn launch_instance(&mut self, mut launch: Launch, plan: &InstancePlan, output: Output) {
        let id = plan.id.as_str();
        match self.cgroups.create(id, plan.limits) {
            Ok((cgroup, lacks)) => {
                launch.cgroup = cgroup;
                self.limit_otherwise(plan, &lacks, &mut launch);
            }
            Err(error) => {
                self.instance_failed(id, format!("cannot make its control group: {error}"));
                return;
            }
        }
        let ticket = self.launch(Owner::Instance(id.to_owned()), launch, output);
        if let Some(instance) = self.instances.get_mut(id) {
            instance.ticket = Some(ticket);
        }
    }

    /// Says what is enforced less strictly, or not at all.
    fn limit_otherwise(&mut self, plan: &InstancePlan, lacks: &[Lack], launch: &mut Launch) {
        let id = plan.id.as_str();
        for lack in lacks {
            let text = match lack {
                Lack::Memory => {
                    let memory = plan.limits.memory.unwrap_or_default();
                    launch.data_limit = Some(memory.0.saturating_mul(DATA_PER_MEMORY));
                    format!(
                        "no memory cgroup here: memory of `{id}` is measured every few seconds \
                         and it is killed above {memory}; a single process can map \
                         {DATA_PER_MEMORY} times as much"
                    )
                }
                Lack::Cpu => format!("no cpu cgroup here: the cpu limit of `{id}` has no effect"),
            };
            if !self.notices.contains(&text) {
                self.tell_instance(id, InstanceEvent::LimitNotice { text: text.clone() });
                self.notices.push(text);
            }
        }
    }

    /// The process runs.
    pub(crate) fn instance_started(&mut self, id: &str, ticket: Ticket) {
        let Some(pid) = self.lives.get(&ticket).and_then(|live| live.pid) else { return };
        self.tell_instance(id, InstanceEvent::Started { pid });
        let Some(instance) = self.instances.get_mut(id) else { return };
        if instance.phase == Phase::Waiting {
            instance.phase = Phase::Starting;
            self.begin_probes(id, ticket);
        }
    }

    /// The process could not be started.
    pub(crate) fn instance_failed(&mut self, id: &str, reason: String) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        instance.ticket = None;
        if !matches!(instance.wish, Wish::Run) {
            self.fulfil(id);
            return;
        }
        instance.phase = Phase::Failed;
        instance.reason = Some(reason.clone());
        let delay = instance.back_off.next();
        let serial = instance.serial;
        self.tell_instance(id, InstanceEvent::Failed { reason });
        self.set_timer(delay, Timer::StartInstance { instance: id.to_owned(), serial });
    }

    /// The time to try again has come.
    pub(crate) fn start_again(&mut self, id: &str, serial: u64) {
        let due = self.instances.get(id).is_some_and(|instance| instance.serial == serial);
        if due {
            self.start_instance(id);
        }
    }

    /// Starts what waited for a secret.
    pub(crate) fn secrets_arrived(&mut self) {
        let ready: Vec<String> = self
            .instances
            .iter()
            .filter(|(_, instance)| {
                instance.missing.as_ref().is_some_and(|name| self.secrets.contains_key(name))
            })
            .map(|(id, _)| id.clone())
            .collect();
        for id in ready {
            self.start_instance(&id);
        }
    }

    /// The process has ended.
    pub(crate) fn instance_ended(&mut self, id: &str, ticket: Ticket, live: &Live, ended: Ended) {
        let (at, now) = (self.wall(), self.clock.now());
        let Some(instance) = self.instances.get_mut(id) else { return };
        if instance.ticket != Some(ticket) {
            return;
        }
        instance.ticket = None;
        instance.serial += 1;
        let reason = describe(live, ended, instance.plan.limits.memory);
        let (code, signal) = (ended.code, ended.signal);
        instance.last_exit = Some(Exit { at, code, signal, reason: reason.clone() });
        let ready_for = instance.health.ready_since.map(|since| now.saturating_sub(since));
        let last_lines = live.output.last_lines();
        if !matches!(instance.wish, Wish::Run) {
            self.tell_instance(id, InstanceEvent::Stopped);
            self.fulfil(id);
            return;
        }
        instance.reason = Some(reason.clone());
        instance.back_off.exited(now, ready_for);
        let again = match instance.plan.restart {
            RestartPolicy::Always => true,
            RestartPolicy::OnFailure => code != Some(0) || live.killed.is_some(),
            RestartPolicy::Never => false,
        };
        if !again {
            instance.phase = Phase::Exited;
        }
        let event = InstanceEvent::Exited { code, signal, reason, last_lines: last_lines.clone() };
        self.tell_instance(id, event);
        if again {
            self.back_off(id, last_lines);
        }
    }

    fn back_off(&mut self, id: &str, last_lines: Vec<String>) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        instance.restarts += 1;
        instance.phase = Phase::BackOff;
        let newly = instance.back_off.newly_looping();
        if instance.back_off.looping() {
            instance.phase = Phase::CrashLoop;
        }
        let delay = instance.back_off.next();
        let serial = instance.serial;
        if let Some((exits, within)) = newly {
            self.tell_instance(id, InstanceEvent::CrashLoop { exits, within, last_lines });
        }
        self.tell_instance(id, InstanceEvent::BackOff { delay });
        self.set_timer(delay, Timer::StartInstance { instance: id.to_owned(), serial });
    }

    /// Ends a process that must not go on, so that it is started again: politely, as its exit may
    /// still write something down, or at once.
    pub(crate) fn kill_instance(&mut self, id: &str, reason: String, at_once: bool) {
        let Some(instance) = self.instances.get_mut(id) else { return };
        let Some(ticket) = instance.ticket else { return };
        instance.phase = Phase::Stopping;
        instance.reason = Some(reason.clone());
        self.tell_instance(id, InstanceEvent::Killed { reason: reason.clone() });
        if at_once {
            self.kill(ticket, Some(reason));
            return;
        }
        if let Some(live) = self.lives.get_mut(&ticket) {
            live.killed = Some(reason);
        }
        self.ask_to_stop(ticket, id);
    }

    pub(crate) fn tell_instance(&mut self, id: &str, event: InstanceEvent) {
        let Some(instance) = self.instances.get(id) else { return };
        let service = instance.plan.service.clone();
        self.tell(EventKind::Instance { instance: id.to_owned(), service, event });
    }

    pub(crate) fn instance_status(&self, instance: &Instance) -> InstanceStatus {
        let live = instance.ticket.and_then(|ticket| self.lives.get(&ticket));
        let measured = instance.ticket.and_then(|ticket| self.usage.of(ticket));
        InstanceStatus {
            id: instance.plan.id.clone(),
            service: instance.plan.service.clone(),
            phase: instance.phase,
            reason: instance.reason.clone(),
            pid: live.and_then(|live| live.pid),
            address: instance.plan.address,
            started_at: live.map(|live| live.started_at),
            restarts: instance.restarts,
            last_exit: instance.last_exit.clone(),
            cpu_millis: measured.and_then(|measured| measured.cpu_millis),
            cpu_seconds_total: measured.and_then(|measured| measured.cpu_seconds),
            memory: measured.and_then(|measured| measured.memory),
            memory_limit: instance.plan.limits.memory,
        }
    }
}

impl Instance {
    fn new(plan: Arc<InstancePlan>, output: Output) -> Self {
        Self {
            plan,
            phase: Phase::Waiting,
            reason: None,
            ticket: None,
            output,
            restarts: 0,
            last_exit: None,
            missing: None,
            later: None,
            wish: Wish::Run,
            back_off: BackOff::default(),
            serial: 0,
            health: Health::default(),
        }
    }

    /// Whether it should be running.
    pub(crate) const fn wanted(&self) -> bool {
        matches!(self.wish, Wish::Run)
    }
}

fn refuse_duplicates(plan: &SupervisorPlan) -> Result<(), Refusal> {
    let mut seen = VecDeque::new();
    for id in plan.instances.iter().map(|instance| &instance.id) {
        if seen.contains(&id) {
            return Err(Refusal::Twice(id.clone()));
        }
        seen.push_back(id);
    }
    let mut seen = VecDeque::new();
    for name in plan.listeners.iter().map(|listener| &listener.name) {
        if seen.contains(&name) {
            return Err(Refusal::Twice(name.clone()));
        }
        seen.push_back(name);
    }
    Ok(())
}
