//! How far the graph of work has come.
//!
//! Pure state: what is told to be done is returned as [`Start`]s, what came of it is told back. A
//! unit whose plan changes is done again; until then what it kept running goes on as it was, so
//! that a build or a migration that fails leaves the previous version serving.

use std::collections::{BTreeMap, BTreeSet};

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
                Some(UnitState::Active { .. }) => UnitState::Active { stale: !same || again },
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

    /// Begins everything that can begin.
    pub(crate) fn advance(&mut self, prepared: &dyn Prepared) -> Vec<Start> {
        let mut starts = Vec::new();
        // Units stand after those they need, so that one pass finds everything.
        for unit in &self.units {
            let met = |id: &String| self.states.get(id) == Some(&UnitState::Done);
            let ready = unit.needs.iter().all(met);
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

    /// Takes the end of a job or of work of control's own.
    pub(crate) fn ended(&mut self, unit: &str, result: Result<(), Failure>) {
        let Some(state) = self.states.get_mut(unit) else { return };
        if let UnitState::Active { stale } = state {
            *state = match result {
                _ if *stale => UnitState::Waiting,
                Ok(()) => UnitState::Done,
                Err(failure) => UnitState::Failed(failure),
            };
        }
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
        assert_eq!(progress.advance(&Never).len(), 1);
        assert!(progress.advance(&Never).is_empty());
        progress.ended("b", Err(Failure::default()));
        assert!(progress.advance(&Never).is_empty());
        assert_eq!(state(&progress, "seed"), &UnitState::Waiting);
        progress.replan(vec![build("b", "2"), seed(&["b"])], false, &[]);
        assert_eq!(progress.advance(&Never).len(), 1);
        progress.ended("b", Ok(()));
        assert!(matches!(&progress.advance(&Never)[..], [Start::Own(_)]));
        progress.ended("seed", Ok(()));
        assert!(progress.is_complete());
    }

    #[test]
    fn what_changed_under_way_is_done_again_when_it_ends() {
        let mut progress = Progress::default();
        progress.replan(vec![build("b", "1")], false, &[]);
        progress.advance(&Never);
        progress.replan(vec![build("b", "2")], false, &[]);
        assert!(progress.advance(&Never).is_empty());
        progress.ended("b", Ok(()));
        assert!(matches!(&progress.advance(&Never)[..], [Start::Job(_)]));
    }

    #[test]
    fn a_job_that_the_supervisor_forgot_is_begun_again() {
        let mut progress = Progress::default();
        progress.replan(vec![build("b", "1")], false, &[]);
        progress.advance(&Never);
        progress.reconnect(&BTreeSet::from(["b".to_owned()]));
        assert!(progress.advance(&Never).is_empty());
        progress.reconnect(&BTreeSet::new());
        assert_eq!(progress.advance(&Never).len(), 1);
    }
}
