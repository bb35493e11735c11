//! The only parent: starts, probes, restarts and stops every process, holds their pipes and the
//! gateway's listening sockets, and decides nothing.
//!
//! Everything here serves one promise: whatever dies, nothing is left behind and nothing is lost
//! that somebody needs. How it is kept is told in `docs/design/processes.md`.

#[cfg(not(target_os = "linux"))]
compile_error!("process supervision relies on Linux: parent-death signals, subreapers, /proc");

mod capture;
mod cgroup;
mod children;
mod client;
mod disk;
mod event;
mod exits;
mod health;
mod instance;
mod job;
mod keeper;
mod launch;
mod listeners;
mod lock;
mod log_line;
pub mod logs;
mod options;
mod platform;
mod port;
mod probe;
mod process;
mod process_table;
mod protocol;
mod record;
mod run;
mod server;
mod status;
mod step;
mod stop;
mod supervision;
mod sweep;
#[expect(unsafe_code, reason = "fork, exec and inherited descriptors have no safe interface")]
mod sys;
mod usage;

pub use client::{ConnectError, Events, RequestError, Supervisor};
pub use event::{EventKind, InstanceEvent, JobEvent, PlatformEvent, SupervisorEvent, Update};
pub use job::{JobEnd, JobResult};
pub use keeper::keep;
pub use listeners::GatewayMessage;
pub use lock::LockError;
pub use options::{Options, PlatformProcess, Rotation};
pub use port::{PortHolder, port_holder, port_is_free};
pub use protocol::{Applied, Changed, Refusal};
pub use record::RecordError;
pub use run::{RunError, run};
pub use status::{
    Exit, InstanceStatus, JobStatus, ListenerStatus, Memory, MemorySource, Phase, PlatformStatus,
    SupervisorStatus,
};
pub use stop::StopProgress;
pub use sweep::{Proof, SweepError, SweptProcess, sweep};
pub use sys::take_inherited;
