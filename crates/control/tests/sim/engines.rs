//! The played engines: they take time, keep what real ones keep, and check what must always hold.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use control::{Action, Failure, Input, World};
use jiff::Timestamp;
use plan::{GatewayPlan, JobPlan, Step, SupervisorPlan, UnitPlan};
use supervisor::{
    EventKind, InstanceStatus, JobEnd, JobEvent, JobResult, JobStatus, Phase, SupervisorEvent,
    SupervisorStatus,
};

/// A small generator of numbers that are the same for the same seed: SplitMix64, Steele and
/// others, 2014.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        usize::try_from(mixed % u64::try_from(bound).unwrap()).unwrap()
    }
}

/// An instance that is played.
struct Instance {
    plan: plan::InstancePlan,
    phase: Phase,
}

/// Everything that outlives control.
#[derive(Default)]
pub(crate) struct Engines {
    plan: SupervisorPlan,
    instances: BTreeMap<String, Instance>,
    jobs: BTreeMap<String, JobPlan>,
    work: Vec<UnitPlan>,
    gateway: GatewayPlan,
    files: Arc<Mutex<BTreeSet<PathBuf>>>,
    events: u64,
    now: Arc<Mutex<i64>>,
    /// Ids of jobs, work and instances in the order in which they were begun.
    pub(crate) started: Vec<String>,
    /// Builds exit with 1.
    pub(crate) fail_builds: bool,
}

struct PlayedWorld {
    files: Arc<Mutex<BTreeSet<PathBuf>>>,
    now: Arc<Mutex<i64>>,
}

impl World for PlayedWorld {
    fn now(&self) -> i64 {
        *self.now.lock().unwrap()
    }

    fn exists(&self, path: &Path) -> bool {
        self.files.lock().unwrap().contains(path)
    }
}

impl Engines {
    pub(crate) fn world(&self) -> Box<dyn World> {
        Box::new(PlayedWorld { files: Arc::clone(&self.files), now: Arc::clone(&self.now) })
    }

    /// What control did itself dies with it.
    pub(crate) fn forget_control(&mut self) {
        self.work.clear();
    }

    pub(crate) fn carry_out(&mut self, action: Action) {
        match action {
            Action::Apply { plan, .. } => self.apply(plan),
            Action::Job(job) => {
                assert!(!self.jobs.contains_key(&job.id), "`{}` runs twice at once", job.id);
                self.check_fresh(&job);
                self.started.push(job.id.clone());
                self.jobs.insert(job.id.clone(), job);
            }
            Action::Work(unit) => {
                self.started.push(unit.id.clone());
                self.work.push(unit);
            }
            Action::Gateway(plan) => {
                assert!(self.gateway.generation < plan.generation, "generations only grow");
                self.gateway = plan;
            }
            action => assert!(
                super::ignored(&action) || matches!(action, Action::Secrets(_)),
                "{action:?}"
            ),
        }
    }

    /// A preparation never runs over something whole: what it renames to is not there.
    fn check_fresh(&self, job: &JobPlan) {
        if let Some(Step::Rename { to, .. }) = job.steps.last() {
            assert!(!self.files.lock().unwrap().contains(to), "{} would be replaced", to.display());
        }
    }

    fn apply(&mut self, plan: SupervisorPlan) {
        assert!(self.plan.generation < plan.generation, "generations only grow");
        self.instances.retain(|id, _| plan.instances.iter().any(|instance| instance.id == *id));
        for wanted in &plan.instances {
            let same = self.instances.get(&wanted.id).is_some_and(|one| one.plan == *wanted);
            if !same {
                self.started.push(wanted.id.clone());
                let instance = Instance { plan: wanted.clone(), phase: Phase::Starting };
                self.instances.insert(wanted.id.clone(), instance);
            }
        }
        self.plan = plan;
    }

    /// Some of what is under way ends.
    pub(crate) fn advance(&mut self, random: &mut Random) -> Vec<Input> {
        *self.now.lock().unwrap() += 100;
        let mut inputs = Vec::new();
        for instance in self.instances.values_mut() {
            if instance.phase == Phase::Starting && random.below(3) == 0 {
                instance.phase = Phase::Ready;
            }
        }
        let ended: Vec<String> =
            self.jobs.keys().filter(|_| random.below(4) == 0).cloned().collect();
        for id in ended {
            let job = self.jobs.remove(&id).unwrap();
            inputs.push(self.end(&job));
        }
        let (done, rest) = std::mem::take(&mut self.work)
            .into_iter()
            .partition::<Vec<_>, _>(|_| random.below(3) == 0);
        self.work = rest;
        inputs.extend(
            done.into_iter()
                .map(|unit| Input::Worked { unit: unit.id, result: Ok::<_, Failure>(Vec::new()) }),
        );
        inputs
    }

    fn end(&mut self, job: &JobPlan) -> Input {
        let fails = self.fail_builds && job.id.ends_with("/build");
        if !fails {
            let mut files = self.files.lock().unwrap();
            for step in &job.steps {
                match step {
                    Step::Rename { to, .. } | Step::Copy { to, .. } => files.insert(to.clone()),
                    Step::File { path, .. } | Step::Directory { path, .. } => {
                        files.insert(path.clone())
                    }
                    Step::Remove { path } => files.remove(path),
                    Step::Run { .. } => false,
                };
            }
        }
        self.events += 1;
        let result = JobResult {
            ended: JobEnd::Exited { code: i32::from(fails) },
            step: 0,
            last_lines: Vec::new(),
            duration: Duration::from_millis(10),
        };
        Input::Happened(Box::new(SupervisorEvent {
            sequence: self.events,
            at: Timestamp::UNIX_EPOCH,
            kind: EventKind::Job {
                job: job.id.clone(),
                service: job.service.clone(),
                event: JobEvent::Ended(result),
            },
        }))
    }

    pub(crate) fn status(&self) -> SupervisorStatus {
        let instance = |one: &Instance| InstanceStatus {
            id: one.plan.id.clone(),
            service: one.plan.service.clone(),
            phase: one.phase,
            reason: None,
            pid: Some(1),
            address: one.plan.address,
            started_at: None,
            restarts: 0,
            last_exit: None,
            cpu_millis: None,
            cpu_seconds_total: None,
            memory: None,
            memory_limit: None,
        };
        SupervisorStatus {
            run: "sim".into(),
            generation: self.plan.generation,
            sequence: self.events,
            stopping: false,
            platform: Vec::new(),
            instances: self.instances.values().map(instance).collect(),
            jobs: self
                .jobs
                .values()
                .map(|job| JobStatus {
                    id: job.id.clone(),
                    service: job.service.clone(),
                    step: 0,
                    pid: None,
                    started_at: Timestamp::UNIX_EPOCH,
                })
                .collect(),
            listeners: Vec::new(),
            notices: Vec::new(),
        }
    }

    /// What must hold at every moment, whoever died.
    pub(crate) fn check_laws(&self) {
        let files = self.files.lock().unwrap();
        for instance in self.instances.values() {
            let program = &instance.plan.command.program;
            let is_built = program.starts_with("/state/builds");
            let whole = program.parent().is_some_and(|parent| files.contains(parent));
            assert!(!is_built || whole, "{} was started before it was built", program.display());
        }
        for endpoint in self.gateway.upstreams.iter().flat_map(|upstream| &upstream.endpoints) {
            assert!(endpoint.address.port() != 0, "{endpoint:?}");
        }
    }

    pub(crate) fn ready(&self) -> BTreeSet<String> {
        let ready = self.instances.iter().filter(|(_, one)| one.phase == Phase::Ready);
        ready.map(|(id, _)| id.clone()).collect()
    }

    pub(crate) fn served_endpoints(&self, upstream: &str) -> usize {
        let found = self.gateway.upstreams.iter().find(|one| one.name == upstream);
        found.map_or(0, |upstream| upstream.endpoints.len())
    }

    pub(crate) fn program(&self, id: &str) -> &Path {
        &self.instances[id].plan.command.program
    }
}
