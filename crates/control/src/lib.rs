//! The only place that sees the engines together, and the only writer of decisions.

mod event;
mod status;

pub use event::{Event, EventKind, Level};
pub use status::{
    AppStatus, Edge, EndpointStatus, Health, InstanceView, JobView, Node, NodeKind, PlatformView,
    RouteView, Sample, Series, State,
};
