//! Intent and observation in, decisions out: a pure function that leaves nothing to decide.
//!
//! A plan is cut into slices, one per engine. A slice crosses a socket as JSON and is kept on disk,
//! so it holds references to secrets, never their values.

mod gateway;
mod supervisor;
mod template;

pub use gateway::{
    EndpointPlan, GatewayListener, GatewayPlan, GatewayPurpose, RoutePlan, UpstreamPlan,
};
pub use supervisor::{
    CommandPlan, InstancePlan, JobPlan, LimitsPlan, ListenerPlan, ProbeCheck, ProbePlan,
    ProbesPlan, RestartPolicy, Step, StopPlan, SupervisorPlan, UserPlan,
};
pub use template::{Part, Template};
