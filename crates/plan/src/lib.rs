//! Intent and observation in, decisions out: a pure function that leaves nothing to decide.
//!
//! A plan is cut into slices, one per engine. A slice crosses a socket as JSON and is kept on disk,
//! so it holds references to secrets, never their values.

pub mod builds;
pub mod databases;
mod digest;
mod gateway;
mod observed;
mod plan;
mod resolve;
mod sources;
mod supervisor;
mod template;
mod unit;

pub use digest::digest;
pub use gateway::{
    EndpointPlan, GatewayListener, GatewayPlan, GatewayPurpose, RoutePlan, UpstreamPlan,
};
pub use observed::{DataDirectory, Installed, Machine, Observed, Paths, SourceDigest, Users};
pub use plan::{
    ClientPlan, ConnectionPlan, EdgePlan, FlagsPlan, NodePlan, NodePlanKind, Plan,
    ScheduledJobPlan, SecretPlan,
};
pub use resolve::{Slot, check, program_names, resolve, slots};
pub use sources::{SourcePlan, sources};
pub use supervisor::{
    CommandPlan, InstancePlan, JobPlan, LimitsPlan, ListenerPlan, ProbeCheck, ProbePlan,
    ProbesPlan, RestartPolicy, Step, StopPlan, SupervisorPlan, UserPlan,
};
pub use template::{Part, Template};
pub use unit::{Done, MigrationPlan, Reach, UnitPlan, Work};
