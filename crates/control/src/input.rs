//! Everything that can wake the loop, and everything it can decide: two closed lists.

use std::collections::BTreeMap;
use std::path::PathBuf;

use base::Secret;
use plan::{FlagsPlan, GatewayPlan, JobPlan, MigrationPlan, Plan, SupervisorPlan, UnitPlan};
use supervisor::{SupervisorEvent, SupervisorStatus};

use crate::progress::Failure;
use crate::traffic::Traffic;
use crate::{Answer, Event, Refusal, Request};

/// Names whoever waits for an answer.
pub type ReplyId = u64;

/// What can wake the loop.
#[derive(Debug)]
pub enum Input {
    /// The manifest was resolved, at the start or anew.
    Planned(Box<Planned>),
    /// The manifest cannot be resolved; what runs goes on.
    Unresolved(Failure),
    /// A connection to the supervisor was made; the first thing it tells is how everything is.
    Connected(Box<SupervisorStatus>),
    /// How everything is now.
    Status(Box<SupervisorStatus>),
    /// Something happened under the supervisor.
    Happened(Box<SupervisorEvent>),
    /// The line to the supervisor broke.
    Disconnected,
    /// The supervisor refused a plan: a port is occupied.
    PlanRefused(String),
    /// The supervisor refused to run a job.
    JobRefused {
        /// The job.
        job: String,
        /// Why.
        reason: String,
    },
    /// Something else could not be done; told, and that is all.
    Trouble(String),
    /// Work of control's own ended.
    Worked {
        /// The unit.
        unit: String,
        /// What was done, or why it failed.
        result: Result<Vec<String>, Failure>,
    },
    /// A connection to the gateway was made; it must be told everything.
    GatewayConnected,
    /// What the gateway measured, or that it could not be asked.
    Gateway(Option<Traffic>),
    /// A second passed.
    Tick,
    /// Somebody asks for something.
    Request(Request, ReplyId),
}

/// A resolved manifest and what goes with it.
#[derive(Debug)]
pub struct Planned {
    /// The decision.
    pub plan: Plan,
    /// Values of every secret it refers to.
    pub secrets: BTreeMap<String, Secret>,
    /// What does not satisfy `expects`, by service.
    pub unmet: BTreeMap<String, Vec<String>>,
    /// Whether what failed, and what looks at the user's files, is done again.
    pub redo: bool,
}

/// What the loop decides.
#[derive(Debug)]
pub enum Action {
    /// Tell the supervisor what should run; `keep` lets running instances go on as they are.
    Apply {
        /// What should run.
        plan: SupervisorPlan,
        /// Instances whose plan changed are not restarted.
        keep: bool,
    },
    /// Hand the supervisor the values of secrets.
    Secrets(BTreeMap<String, Secret>),
    /// Have a job run; its end comes as a fact.
    Job(JobPlan),
    /// Restart an instance.
    RestartInstance(String),
    /// Do a unit's work and report [`Input::Worked`].
    Work(UnitPlan),
    /// Look at or change migrations and answer.
    Migrations {
        /// Which.
        migration: MigrationPlan,
        /// What is asked.
        request: Request,
        /// Who waits.
        reply: ReplyId,
    },
    /// Tell the gateway what to serve.
    Gateway(GatewayPlan),
    /// Write the flags file.
    Flags(FlagsPlan),
    /// Watch these directories, by service.
    Watch(BTreeMap<String, Vec<PathBuf>>),
    /// Resolve the manifest anew.
    Resolve {
        /// Who waits for it.
        reply: Option<ReplyId>,
    },
    /// Tell everybody who listens.
    Emit(Event),
    /// Answer.
    Reply(ReplyId, Result<Answer, Refusal>),
    /// Stop everything.
    Stop,
}
