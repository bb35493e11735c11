//! The gateway: a process that takes clients' connections and sends their requests to the
//! instances that are ready.
//!
//! [`run`] is the process, [`Gateway`] the line that control holds to it; `plan::GatewayPlan` goes
//! one way, [`GatewayStatus`] comes back. It knows nobody else, and serves alone with the last plan
//! when nobody else is there. How a request passes: `docs/design/gateway.md`.

mod balance;
mod check;
mod connection;
mod control;
mod digits;
mod dispatch;
mod download;
mod endpoint;
mod exchange;
mod failure;
mod forward;
mod handle;
pub mod http1;
mod limits;
mod metrics;
mod page;
mod process;
mod respond;
mod route;
mod shard;
mod snapshot;
mod socket;
mod status;
mod thread;
mod timer;
mod trace;
mod tunnel;
mod upload;

pub use check::check;
pub use handle::{Gateway, LineError};
pub use limits::Limits;
pub use process::{GatewayError, Options, run};
pub use snapshot::SnapshotError;
pub use socket::PacketError;
pub use status::{
    DurationHistogram, EndpointStatus, ErrorCauses, GatewayListenerStatus, GatewayPhase,
    GatewayStatus, GatewayTotals, RouteStatus, StatusClasses, UpstreamStatus,
};
pub use thread::ThreadError;
