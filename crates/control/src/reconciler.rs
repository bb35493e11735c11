//! The loop's state and every decision it takes: an input in, actions out, nothing awaited.
//!
//! It does not know sockets, files or clocks; `driver` feeds it and carries out what it returns,
//! and the simulation does the same with fake engines. What must survive a crash is written to the
//! store before the action that depends on it is returned; everything else is observed again.

mod jobs;
mod requests;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use plan::{Done, EndpointPlan, GatewayPlan, InstancePlan, Plan, SupervisorPlan, Work};
use supervisor::{EventKind as Fact, JobEvent, Phase, SupervisorEvent, SupervisorStatus};

use crate::input::{Action, Input, Planned};
use crate::narrate::{self, sentence};
use crate::progress::{Failure, Prepared, Progress, Start};
use crate::store::{Store, StoreError};
use crate::traffic::TrafficWindow;
use crate::{Event, EventKind, Level};
use jobs::RunningJob;

/// What the reconciler may ask of the world around it.
pub trait World: Send {
    /// Time of day in milliseconds since the Unix epoch.
    fn now(&self) -> i64;

    /// Whether a path exists.
    fn exists(&self, path: &std::path::Path) -> bool;
}

/// A refused plan is sent again after this many milliseconds.
const REFUSED_PAUSE: i64 = 5_000;

/// Where the application is in its life.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Life {
    /// Not everything was up once.
    ComingUp,
    /// The same, but what runs was started by a control before this one.
    ComingBack,
    /// Everything was up once.
    Up,
    /// Everything is being stopped.
    Stopping,
}

/// The state of the loop.
pub struct Reconciler {
    pub(crate) store: Store,
    world: Box<dyn World>,
    pub(crate) plan: Option<Plan>,
    pub(crate) unmet: BTreeMap<String, Vec<String>>,
    pub(crate) progress: Progress,
    pub(crate) supervisor: Option<SupervisorStatus>,
    pub(crate) traffic: TrafficWindow,
    pub(crate) generation: u64,
    applied: Option<SupervisorPlan>,
    /// What a control before this one told the supervisor last.
    told_before: Option<SupervisorPlan>,
    served: Option<GatewayPlan>,
    secrets_given: bool,
    /// Before this moment a refused plan is not sent again.
    refused_until: i64,
    /// Why the supervisor does not take the plan, until it does.
    pub(crate) refused: Option<String>,
    /// Why events are not recorded, while they are not.
    pub(crate) unrecorded: Option<String>,
    pub(crate) life: Life,
    pub(crate) started_at: i64,
    /// Why the manifest as it stands now is not what runs.
    pub(crate) problem: Option<String>,
    pub(crate) jobs: BTreeMap<String, RunningJob>,
    looked_at: BTreeMap<String, i64>,
    restarts: VecDeque<String>,
    /// The instance that is being restarted, the process it had, and since when.
    restarting: Option<(String, Option<u32>, i64)>,
    secrets: BTreeMap<String, base::Secret>,
    actions: Vec<Action>,
}

impl Reconciler {
    /// A loop that has seen nothing yet; the store says how far it came before.
    ///
    /// # Errors
    ///
    /// When the store cannot be read.
    pub fn new(store: Store, world: Box<dyn World>) -> Result<Self, StoreError> {
        let generation = store.generation()?;
        let told_before = store.told()?;
        let started_at = world.now();
        Ok(Self {
            store,
            world,
            plan: None,
            unmet: BTreeMap::new(),
            progress: Progress::default(),
            supervisor: None,
            traffic: TrafficWindow::default(),
            generation,
            applied: None,
            told_before,
            served: None,
            secrets_given: false,
            refused_until: 0,
            refused: None,
            unrecorded: None,
            life: Life::ComingUp,
            started_at,
            problem: None,
            jobs: BTreeMap::new(),
            looked_at: BTreeMap::new(),
            restarts: VecDeque::new(),
            restarting: None,
            secrets: BTreeMap::new(),
            actions: Vec::new(),
        })
    }

    /// Takes one input and returns what is to be done about it, in order.
    ///
    /// # Errors
    ///
    /// When a decision cannot be recorded; nothing that depends on it was returned.
    pub fn handle(&mut self, input: Input) -> Result<Vec<Action>, StoreError> {
        match input {
            Input::Planned(planned) => self.planned(*planned),
            Input::Unresolved(failure) => self.unresolved(failure),
            Input::Connected(status) => self.connected(*status),
            Input::Status(status) => self.supervisor = Some(*status),
            Input::Happened(event) => self.happened(&event)?,
            Input::Disconnected => self.supervisor = None,
            Input::PlanRefused(reason) => self.plan_refused(reason),
            Input::JobRefused { job, reason } => self.job_refused(&job, reason),
            Input::Trouble(text) => {
                self.say(Level::Error, "mainstay", EventKind::Platform, text);
            }
            Input::Worked { unit, result } => self.worked(&unit, result),
            Input::GatewayConnected => self.served = None,
            Input::Gateway(traffic) => self.traffic.push(traffic),
            Input::Tick => self.due_jobs()?,
            Input::Request(request, reply) => self.request(request, reply),
        }
        if self.life != Life::Stopping {
            self.advance()?;
        }
        Ok(std::mem::take(&mut self.actions))
    }

    /// Time of day in milliseconds since the Unix epoch.
    pub(crate) fn now(&self) -> i64 {
        self.world.now()
    }

    fn planned(&mut self, planned: Planned) {
        let existing = self.existing();
        self.progress.replan(planned.plan.units.clone(), planned.redo, &existing);
        if self.plan.is_none() {
            let running = self.supervisor.iter().flat_map(|status| &status.jobs);
            self.progress.reconnect(&running.map(|job| job.id.clone()).collect());
        }
        if let Some(flags) = &planned.plan.flags {
            self.actions.push(Action::Flags(flags.clone()));
        }
        // Each time: a directory that was made anew has to be watched anew.
        self.actions.push(Action::Watch(planned.plan.watched.clone()));
        if self.secrets != planned.secrets {
            self.secrets = planned.secrets;
            self.secrets_given = false;
        }
        if self.plan.is_none() {
            for notice in &planned.plan.notices {
                let event =
                    sentence(self.now(), Level::Warning, "mainstay", EventKind::Manifest, notice);
                self.emit(event);
            }
        } else if planned.redo {
            self.say(Level::Info, "mainstay", EventKind::Manifest, "the manifest was read again");
        }
        self.unmet = planned.unmet;
        self.problem = None;
        self.plan = Some(planned.plan);
        for (service, problems) in self.unmet.clone() {
            let mut event = sentence(
                self.now(),
                Level::Error,
                &service,
                EventKind::Manifest,
                "its environment is not what it expects; it is not started",
            );
            event.detail = problems;
            self.emit(event);
        }
    }

    /// Says it once, and tries again after a while: whoever holds the port may let go of it.
    fn plan_refused(&mut self, reason: String) {
        self.applied = None;
        self.refused_until = self.now() + REFUSED_PAUSE;
        if self.refused.as_ref() != Some(&reason) {
            self.say(Level::Error, "mainstay", EventKind::App, reason.clone());
            self.refused = Some(reason);
        }
    }

    /// The instances that run, by the plan they were last told.
    fn existing(&self) -> Vec<InstancePlan> {
        let told = self.applied.as_ref().or(self.told_before.as_ref());
        let runs = |instance: &&InstancePlan| {
            let statuses = self.supervisor.iter().flat_map(|status| &status.instances);
            statuses.into_iter().any(|status| status.id == instance.id)
        };
        told.map_or_else(Vec::new, |plan| plan.instances.iter().filter(runs).cloned().collect())
    }

    fn unresolved(&mut self, failure: Failure) {
        let mut event = sentence(
            self.now(),
            Level::Error,
            "mainstay",
            EventKind::Manifest,
            format!("{}; what runs goes on as it was", failure.reason),
        );
        event.detail = failure.detail;
        self.problem = Some(failure.reason);
        self.emit(event);
    }

    fn connected(&mut self, status: SupervisorStatus) {
        let jobs: BTreeSet<String> = status.jobs.iter().map(|job| job.id.clone()).collect();
        self.forget_jobs(&jobs);
        self.progress.reconnect(&jobs);
        self.restarting = None;
        if self.plan.is_none() && !status.instances.is_empty() && self.life == Life::ComingUp {
            self.life = Life::ComingBack;
        }
        // A supervisor that was started anew has another idea of generations.
        self.generation = self.generation.max(status.generation);
        self.applied = None;
        self.secrets_given = false;
        self.supervisor = Some(status);
    }

    fn happened(&mut self, event: &SupervisorEvent) -> Result<(), StoreError> {
        if let Fact::Job { job, event: JobEvent::Ended(result), .. } = &event.kind {
            if let Some(status) = &mut self.supervisor {
                status.jobs.retain(|running| running.id != *job);
            }
            self.job_ended(job, result)?;
        }
        if let Some(event) = narrate::narrate(&event.kind, event.at.as_millisecond()) {
            self.emit(event);
        }
        Ok(())
    }

    fn worked(&mut self, unit: &str, result: Result<Vec<String>, Failure>) {
        let found = self.progress.units().find(|(known, _)| known.id == unit);
        let Some((plan, _)) = found else { return };
        let (node, kind) = (plan.node.clone(), event_kind(&plan.work));
        match &result {
            Ok(done) => {
                for what in done {
                    self.say(Level::Info, &node, kind, what.clone());
                }
            }
            Err(failure) => self.fail(&node, kind, failure),
        }
        // Only builds leave something behind, and they are jobs.
        drop(self.progress.ended(unit, result.map(drop)));
    }

    pub(crate) fn fail(&mut self, node: &str, kind: EventKind, failure: &Failure) {
        let mut event = sentence(self.now(), Level::Error, node, kind, failure.reason.clone());
        event.detail.clone_from(&failure.detail);
        self.emit(event);
    }

    /// Does whatever can be done now.
    fn advance(&mut self) -> Result<(), StoreError> {
        let (Some(plan), Some(status)) = (&self.plan, &self.supervisor) else { return Ok(()) };
        if !self.secrets_given {
            self.secrets_given = true;
            self.actions.push(Action::Secrets(self.secrets.clone()));
        }
        let is_current =
            self.applied.as_ref().is_some_and(|plan| plan.generation == status.generation);
        if is_current {
            self.progress.observe(status);
            self.refused = None;
        }
        let listeners = plan.listeners.clone();
        let ready = Recorded { store: &self.store, world: self.world.as_ref() };
        for start in self.progress.advance(&ready, &self.unmet) {
            self.begin(start);
        }
        self.apply(listeners)?;
        self.serve()?;
        self.next_restart();
        if self.progress.is_complete() {
            let tenths = (self.now() - self.started_at) / 100;
            let text = match self.life {
                Life::ComingUp => format!("up after {}.{} s", tenths / 10, tenths % 10),
                Life::ComingBack => "control is back; everything went on".to_owned(),
                Life::Up | Life::Stopping => return Ok(()),
            };
            self.life = Life::Up;
            self.say(Level::Info, "mainstay", EventKind::App, text);
        }
        Ok(())
    }

    fn begin(&mut self, start: Start) {
        match start {
            Start::Job(job) => {
                let unit = self.progress.unit_of_job(&job.id);
                let (node, activity) =
                    unit.map(|unit| (unit.node.clone(), unit.activity.clone())).unwrap_or_default();
                let kind = job_kind(&activity);
                self.say(Level::Info, &node, kind, activity);
                self.actions.push(Action::Job(job));
            }
            Start::Own(unit) => self.actions.push(Action::Work(unit)),
            Start::Instances(_) => {}
        }
    }

    /// Tells the supervisor what should run, if that changed.
    fn apply(&mut self, listeners: Vec<plan::ListenerPlan>) -> Result<(), StoreError> {
        if self.now() < self.refused_until {
            return Ok(());
        }
        let instances = self.progress.instances();
        let applied = self.applied.as_ref();
        let same =
            applied.is_some_and(|plan| plan.instances == instances && plan.listeners == listeners);
        if same {
            return Ok(());
        }
        // Flags reach a running service by its file; only its next start needs the variables.
        let before = applied.map_or(&[][..], |plan| &plan.instances);
        let softly: Vec<InstancePlan> = before
            .iter()
            .map(|old| {
                let new = instances.iter().find(|new| new.id == old.id);
                new.filter(|new| same_but_flags(old, new)).unwrap_or(old).clone()
            })
            .collect();
        if softly != before {
            let listeners = applied.map_or_else(Vec::new, |plan| plan.listeners.clone());
            self.push_apply(softly.clone(), listeners, true)?;
        }
        let same = self
            .applied
            .as_ref()
            .is_some_and(|plan| plan.instances == instances && plan.listeners == listeners);
        if !same {
            self.push_apply(instances, listeners, false)?;
        }
        Ok(())
    }

    fn push_apply(
        &mut self,
        instances: Vec<InstancePlan>,
        listeners: Vec<plan::ListenerPlan>,
        keep: bool,
    ) -> Result<(), StoreError> {
        let plan = SupervisorPlan { generation: self.generation + 1, instances, listeners };
        self.store.set_told(&plan)?;
        self.next_generation()?;
        self.applied = Some(plan.clone());
        self.actions.push(Action::Apply { plan, keep });
        Ok(())
    }

    fn next_generation(&mut self) -> Result<(), StoreError> {
        self.store.set_generation(self.generation + 1)?;
        self.generation += 1;
        Ok(())
    }

    /// Tells the gateway what to serve, if that changed.
    fn serve(&mut self) -> Result<(), StoreError> {
        let (Some(plan), Some(status)) = (&self.plan, &self.supervisor) else { return Ok(()) };
        if plan.gateway.listeners.is_empty() {
            return Ok(());
        }
        let mut gateway = plan.gateway.clone();
        for upstream in &mut gateway.upstreams {
            let ready = status.instances.iter().filter(|instance| {
                instance.service == upstream.name && instance.phase == Phase::Ready
            });
            upstream.endpoints = ready
                .filter_map(|instance| {
                    Some(EndpointPlan { instance: instance.id.clone(), address: instance.address? })
                })
                .collect();
        }
        let served = self.served.as_ref();
        gateway.generation = served.map_or(0, |served| served.generation);
        if served == Some(&gateway) {
            return Ok(());
        }
        self.next_generation()?;
        gateway.generation = self.generation;
        self.served = Some(gateway.clone());
        self.actions.push(Action::Gateway(gateway));
        Ok(())
    }

    pub(crate) fn say(
        &mut self,
        level: Level,
        subject: &str,
        kind: EventKind,
        text: impl Into<String>,
    ) {
        let event = sentence(self.now(), level, subject, kind, text);
        self.emit(event);
    }

    /// Records and announces; an event that cannot be recorded, on a full disk, is still announced.
    fn emit(&mut self, event: Event) {
        let event = match self.store.append(event.clone()) {
            Ok(event) => {
                self.unrecorded = None;
                event
            }
            Err(error) => {
                self.unrecorded = Some(format!("events are not recorded: {error}"));
                event
            }
        };
        self.actions.push(Action::Emit(event));
    }
}

/// What the store and the file system say of preparations.
struct Recorded<'a> {
    store: &'a Store,
    world: &'a dyn World,
}

impl Prepared for Recorded<'_> {
    fn is_done(&self, unit: &str, done: &Done) -> bool {
        let exists = done.exists.as_ref().is_none_or(|path| self.world.exists(path));
        let recorded = match &done.digest {
            // When the record cannot be read, preparing once more is safe; skipping is not.
            Some(digest) => {
                self.store.prepared(unit).is_ok_and(|known| known.as_ref() == Some(digest))
            }
            None => done.exists.is_some(),
        };
        exists && recorded
    }
}

fn same_but_flags(old: &InstancePlan, new: &InstancePlan) -> bool {
    let without_flags = |plan: &InstancePlan| {
        let mut plan = plan.clone();
        plan.command.environment.retain(|name, _| !name.starts_with("FLAG_"));
        plan
    };
    without_flags(old) == without_flags(new)
}

fn event_kind(work: &Work) -> EventKind {
    match work {
        Work::Migrate { .. } => EventKind::Migration,
        Work::Seed { .. } | Work::Reach { .. } => EventKind::Database,
        Work::Run { .. } => EventKind::Instance,
        Work::Prepare { .. } => EventKind::Build,
    }
}

fn job_kind(activity: &str) -> EventKind {
    match activity {
        "building" | "installing" => EventKind::Build,
        _ => EventKind::Database,
    }
}
