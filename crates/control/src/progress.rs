//! How far the graph of work has come.
//!
//! Pure state: what is told to be done is returned as [`Start`]s, what came of it is told back. A
//! unit whose plan changes is done again; until then what it kept running goes on as it was, so
//! that a build or a migration that fails leaves the previous version serving.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use plan::{Done, InstancePlan, JobPlan, UnitPlan, Work};
use supervisor::{Phase, SupervisorStatus};

/// How far one unit is.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum UnitState {
    /// Something that it needs is not done.
    Waiting,
    /// Under way.
    Active {
        /// Its plan changed meanwhile: what comes of it does not count.
        stale: bool,
    },
    /// Done, or for instances: at least one was ready.
    Done,
    /// Tried and failed; tried again when its plan changes or somebody asks.
    Failed(Failure),
}

/// Why something failed.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Failure {
    /// One line.
    pub reason: String,
    /// More lines, such as a compiler's.
    pub detail: Vec<String>,
}

/// Something to begin now.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Start {
    /// A job of the supervisor's.
    Job(JobPlan),
    /// Work that control does itself: migrations, seeds, reaching.
    Own(UnitPlan),
    /// The instances of a unit joined those that should run.
    Instances(String),
}

/// Answers whether a preparation was made before.
pub(crate) trait Prepared {
    /// Whether the unit need not be prepared.
    fn is_done(&self, unit: &str, done: &Done) -> bool;
}

/// The graph and how far each of its units is.
#[derive(Debug, Default)]
pub(crate) struct Progress {
    units: Vec<UnitPlan>,
    states: BTreeMap<String, UnitState>,
    running: BTreeMap<String, Vec<InstancePlan>>,
    /// Results of builds whose sources changed while they were made, by unit.
    doubtful: BTreeMap<String, PathBuf>,
}

impl Progress {
    /// Takes a new graph. Units that did not change keep their state; with `redo`, what failed and
    /// what looks at files of the user's is done again. `existing` are instances that run already,
    /// by the plan they were started with: they go on until their unit is begun.
    pub(crate) fn replan(&mut self, units: Vec<UnitPlan>, redo: bool, existing: &[InstancePlan]) {
        let mut states = BTreeMap::new();
        for unit in &units {
            let before = self.units.iter().find(|before| before.id == unit.id);
            let same = before.is_some_and(|before| before == unit);
            let again = redo && !matches!(unit.work, Work::Run { .. } | Work::Prepare { .. });
            let state = match self.states.remove(&unit.id) {
                // What runs needs no end to be replaced; it goes on until its unit is begun anew.
                Some(UnitState::Active { .. }) if matches!(unit.work, Work::Run { .. }) => {
                    if same {
                        UnitState::Active { stale: false }
                    } else {
                        UnitState::Waiting
                    }
                }
                Some(UnitState::Active { stale }) => {
                    let output = before.and_then(build_output);
                    if let (false, Some(output)) = (same, output) {
                        self.doubtful.insert(unit.id.clone(), output.clone());
                    }
                    UnitState::Active { stale: stale || !same || again }
                }
                Some(UnitState::Failed(failure)) if same && !redo => UnitState::Failed(failure),
                Some(UnitState::Done) if same && !again => UnitState::Done,
                _ => UnitState::Waiting,
            };
            states.insert(unit.id.clone(), state);
            if let Work::Run { instances } = &unit.work
                && !self.running.contains_key(&unit.id)
            {
                let is_ours = |one: &&InstancePlan| instances.iter().any(|new| new.id == one.id);
                let running: Vec<InstancePlan> = existing.iter().filter(is_ours).cloned().collect();
                if running == *instances {
                    states.insert(unit.id.clone(), UnitState::Active { stale: false });
                }
                if !running.is_empty() {
                    self.running.insert(unit.id.clone(), running);
                }
            }
        }
        self.running.retain(|id, _| units.iter().any(|unit| unit.id == *id));
        self.states = states;
        self.units = units;
    }

    /// Holds the jobs under way against those that the supervisor knows: forgets the ones it does
    /// not (it was started anew, or they ended while nobody listened), waits for the others.
    pub(crate) fn reconnect(&mut self, jobs: &BTreeSet<String>) {
        for unit in &self.units {
            if let Work::Prepare { job, .. } = &unit.work
                && let Some(state) = self.states.get_mut(&unit.id)
            {
                match state {
                    UnitState::Active { .. } if !jobs.contains(&job.id) => {
                        *state = UnitState::Waiting;
                    }
                    // Begun by a control that is gone, perhaps for another plan: whether it did
                    // what is wanted now is looked at when it ends.
                    UnitState::Waiting if jobs.contains(&job.id) => {
                        *state = UnitState::Active { stale: true };
                    }
                    _ => {}
                }
            }
        }
    }

    /// Begins everything that can begin; nothing of a node in `blocked` is started.
    pub(crate) fn advance(
        &mut self,
        prepared: &dyn Prepared,
        blocked: &BTreeMap<String, Vec<String>>,
    ) -> Vec<Start> {
        let mut starts = Vec::new();
        // Units stand after those they need, so that one pass finds everything.
        for unit in &self.units {
            let met = |id: &String| self.states.get(id) == Some(&UnitState::Done);
            let is_blocked =
                matches!(unit.work, Work::Run { .. }) && blocked.contains_key(&unit.node);
            let ready = !is_blocked && unit.needs.iter().all(met);
            if self.states.get(&unit.id) != Some(&UnitState::Waiting) || !ready {
                continue;
            }
            let state = match &unit.work {
                Work::Prepare { done, .. } if prepared.is_done(&unit.id, done) => UnitState::Done,
                Work::Prepare { job, .. } => {
                    starts.push(Start::Job(job.clone()));
                    UnitState::Active { stale: false }
                }
                Work::Run { instances } => {
                    self.running.insert(unit.id.clone(), instances.clone());
                    starts.push(Start::Instances(unit.id.clone()));
                    UnitState::Active { stale: false }
                }
                Work::Migrate { .. } | Work::Seed { .. } | Work::Reach { .. } => {
                    starts.push(Start::Own(unit.clone()));
                    UnitState::Active { stale: false }
                }
            };
            self.states.insert(unit.id.clone(), state);
        }
        starts
    }

    /// Takes the end of a job or of work of control's own. Returns what was built of sources that
    /// changed meanwhile: nobody knows of which, and it must not be found later as if one did.
    pub(crate) fn ended(&mut self, unit: &str, result: Result<(), Failure>) -> Option<PathBuf> {
        let state = self.states.get_mut(unit)?;
        match state {
            UnitState::Active { stale: true } => *state = UnitState::Waiting,
            UnitState::Active { stale: false } => {
                *state = match result {
                    Ok(()) => UnitState::Done,
                    Err(failure) => UnitState::Failed(failure),
                }
            }
            // Somebody did by hand what had failed.
            UnitState::Failed(_) if result.is_ok() => *state = UnitState::Done,
            UnitState::Waiting | UnitState::Done | UnitState::Failed(_) => {}
        }
        self.doubtful.remove(unit)
    }

    /// Marks the units whose instances are ready; the status must be of the plan in force.
    pub(crate) fn observe(&mut self, status: &SupervisorStatus) {
        for (unit, instances) in &self.running {
            let is_ready = |id: &str| {
                status.instances.iter().any(|one| one.id == id && one.phase == Phase::Ready)
            };
            let ready = instances.iter().any(|instance| is_ready(&instance.id));
            if ready
                && let Some(state @ UnitState::Active { stale: false }) = self.states.get_mut(unit)
            {
                *state = UnitState::Done;
            }
        }
    }

    /// Every instance that should run.
    pub(crate) fn instances(&self) -> Vec<InstancePlan> {
        self.running.values().flatten().cloned().collect()
    }

    /// The units and their states.
    pub(crate) fn units(&self) -> impl Iterator<Item = (&UnitPlan, &UnitState)> {
        self.units.iter().filter_map(|unit| Some((unit, self.states.get(&unit.id)?)))
    }

    /// The unit that a job belongs to.
    pub(crate) fn unit_of_job(&self, job: &str) -> Option<&UnitPlan> {
        self.units
            .iter()
            .find(|unit| matches!(&unit.work, Work::Prepare { job: own, .. } if own.id == job))
    }

    /// Whether what comes of a unit's work under way still counts.
    pub(crate) fn counts(&self, unit: &str) -> bool {
        self.states.get(unit) == Some(&UnitState::Active { stale: false })
    }

    /// Whether a unit is done.
    pub(crate) fn is_done(&self, unit: &str) -> bool {
        self.states.get(unit) == Some(&UnitState::Done)
    }

    /// Whether every unit is done.
    pub(crate) fn is_complete(&self) -> bool {
        self.states.values().all(|state| *state == UnitState::Done)
    }
}

/// Where a unit's result appears, if it is a build's.
fn build_output(unit: &UnitPlan) -> Option<&PathBuf> {
    match &unit.work {
        Work::Prepare { done, .. } if unit.id.ends_with("/build") => done.exists.as_ref(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    struct Never;

    impl Prepared for Never {
        fn is_done(&self, _unit: &str, _done: &Done) -> bool {
            false
        }
    }

    fn build(id: &str, program: &str) -> UnitPlan {
        let remove = plan::Step::Remove { path: program.into() };
        UnitPlan {
            id: id.into(),
            node: "api".into(),
            activity: "building".into(),
            needs: Vec::new(),
            work: Work::Prepare {
                job: JobPlan {
                    id: id.into(),
                    service: "api".into(),
                    steps: vec![remove],
                    deadline: Duration::from_secs(1),
                },
                done: Done::default(),
            },
        }
    }

    fn seed(needs: &[&str]) -> UnitPlan {
        UnitPlan {
            id: "seed".into(),
            needs: needs.iter().map(|&need| need.into()).collect(),
            work: Work::Seed { url: plan::Template::default(), file: "seed.sql".into() },
            ..build("seed", "")
        }
    }

    fn state<'a>(progress: &'a Progress, id: &str) -> &'a UnitState {
        progress.units().find(|(unit, _)| unit.id == id).unwrap().1
    }

    #[test]
    fn a_unit_waits_for_what_it_needs_and_a_failure_stops_there() {
        let mut progress = Progress::default();
        progress.replan(vec![build("b", "1"), seed(&["b"])], false, &[]);
        assert_eq!(progress.advance(&Never, &BTreeMap::new()).len(), 1);
        assert!(progress.advance(&Never, &BTreeMap::new()).is_empty());
        progress.ended("b", Err(Failure::default()));
        assert!(progress.advance(&Never, &BTreeMap::new()).is_empty());
        assert_eq!(state(&progress, "seed"), &UnitState::Waiting);
        progress.replan(vec![build("b", "2"), seed(&["b"])], false, &[]);
        assert_eq!(progress.advance(&Never, &BTreeMap::new()).len(), 1);
        progress.ended("b", Ok(()));
        assert!(matches!(&progress.advance(&Never, &BTreeMap::new())[..], [Start::Own(_)]));
        progress.ended("seed", Ok(()));
        assert!(progress.is_complete());
    }

    #[test]
    fn what_changed_under_way_is_done_again_when_it_ends() {
        let mut progress = Progress::default();
        progress.replan(vec![build("b", "1")], false, &[]);
        progress.advance(&Never, &BTreeMap::new());
        progress.replan(vec![build("b", "2")], false, &[]);
        assert!(progress.advance(&Never, &BTreeMap::new()).is_empty());
        progress.ended("b", Ok(()));
        assert!(matches!(&progress.advance(&Never, &BTreeMap::new())[..], [Start::Job(_)]));
    }

    fn run(program: &str) -> UnitPlan {
        let mut instance: InstancePlan = serde_json::from_value(serde_json::json!({
            "id": "api-1", "service": "api", "probes": {}, "limits": {}, "restart": "always",
            "stop": { "signal": 15, "deadline": { "secs": 1, "nanos": 0 } }, "tier": 1,
            "command": {
                "program": "", "arguments": [], "environment": {}, "directory": "/", "user": null
            },
        }))
        .unwrap();
        instance.command.program = program.into();
        UnitPlan { work: Work::Run { instances: vec![instance] }, ..build("api", "") }
    }

    #[test]
    fn a_service_that_never_became_ready_is_started_by_its_new_plan() {
        let mut progress = Progress::default();
        progress.replan(vec![run("broken")], false, &[]);
        assert_eq!(progress.advance(&Never, &BTreeMap::new()).len(), 1);
        progress.replan(vec![run("mended")], false, &[]);
        assert_eq!(progress.instances().first().unwrap().command.program, PathBuf::from("broken"));
        assert_eq!(progress.advance(&Never, &BTreeMap::new()).len(), 1);
        assert_eq!(progress.instances().first().unwrap().command.program, PathBuf::from("mended"));
    }

    #[test]
    fn what_is_stale_stays_stale_when_the_plan_is_made_again() {
        let mut progress = Progress::default();
        for program in ["1", "2", "2"] {
            progress.replan(vec![build("b", program)], false, &[]);
            progress.advance(&Never, &BTreeMap::new());
        }
        progress.ended("b", Ok(()));
        assert_eq!(state(&progress, "b"), &UnitState::Waiting);
    }

    #[test]
    fn a_service_whose_environment_is_wrong_is_not_begun() {
        let mut progress = Progress::default();
        progress.replan(vec![run("api")], false, &[]);
        let blocked = BTreeMap::from([("api".to_owned(), vec!["wrong".to_owned()])]);
        assert!(progress.advance(&Never, &blocked).is_empty());
        assert_eq!(progress.advance(&Never, &BTreeMap::new()).len(), 1);
    }

    #[test]
    fn a_job_that_the_supervisor_forgot_is_begun_again() {
        let mut progress = Progress::default();
        progress.replan(vec![build("b", "1")], false, &[]);
        progress.advance(&Never, &BTreeMap::new());
        progress.reconnect(&BTreeSet::from(["b".to_owned()]));
        assert!(progress.advance(&Never, &BTreeMap::new()).is_empty());
        progress.reconnect(&BTreeSet::new());
        assert_eq!(progress.advance(&Never, &BTreeMap::new()).len(), 1);
    }
}
