//! The only place that sees the engines together, and the only writer of decisions.
//!
//! `resolution` makes a plan of the manifest and the machine, `reconciler` decides what to do next,
//! `driver` carries it out and feeds back what happens, `view` says how everything is.

mod builds;
mod driver;
mod event;
mod handle;
mod input;
mod location;
mod machine;
pub mod migrations;
mod narrate;
mod ports;
mod progress;
mod reconciler;
mod resolution;
mod samples;
mod schedule;
mod sources;
mod status;
mod store;
mod traffic;
mod view;
mod watch;

pub use driver::{Control, ControlError, prepare};
pub use event::{Event, EventKind, Level};
pub use handle::{Answer, Handle, MigrationView, Refusal, RefusalKind, Request};
pub use input::{Action, Input, Planned, ReplyId};
pub use location::{Location, LocationError, Surroundings};
pub use machine::Invoker;
pub use progress::Failure;
pub use reconciler::{Reconciler, World};
pub use resolution::{ResolutionError, Subject, observe};
pub use samples::Samples;
pub use sources::SourcesError;
pub use status::{
    AppStatus, Edge, EndpointStatus, Health, InstanceView, JobView, Node, NodeKind, PlatformView,
    RouteView, Sample, Series, State,
};
pub use store::{Store, StoreError};
pub use traffic::{RouteTotals, Traffic};
