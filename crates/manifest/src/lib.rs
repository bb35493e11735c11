//! What the user wants, parsed once: `mainstay.toml` as a [`Manifest`] in which every value knows
//! its place.
//!
//! Text becomes a tree with positions ([`tree`]), an environment is laid over it, and each section
//! is read from the merged tree by its own file through a [`Cursor`], which collects every mistake
//! and never stops. This crate is pure: it knows no file, no machine and no clock, and it does not
//! know which build kinds, engines and notifiers exist.

pub mod alert;
mod answer;
mod check;
pub mod command_line;
pub mod cursor;
pub mod database;
mod document;
pub mod env_value;
pub mod expectation;
pub mod field;
pub mod flag;
pub mod forms;
pub mod job;
pub mod listener;
pub mod load;
pub mod manifest;
pub mod metric;
pub mod names;
pub mod notifier;
mod overlay;
pub mod probe;
mod reference;
pub mod release;
pub mod route;
pub mod schedule;
mod schema;
pub mod secret;
mod secret_uses;
pub mod service;
pub mod slo;
pub mod telemetry;
pub mod tree;
mod variables;
pub mod volume;

use base::Diagnostic;

pub use crate::alert::{Alert, Burn, Trigger};
pub use crate::answer::{Answer, AnswerOrigin, Difference};
pub use crate::command_line::CommandLine;
pub use crate::cursor::{Cursor, KindTable, Refusal};
pub use crate::database::{
    Backup, Database, Eviction, Migrations, Persist, Recover, Repository, Role, Undo,
};
pub use crate::document::{BASE, Document};
pub use crate::env_value::EnvValue;
pub use crate::expectation::{Expectation, Expected};
pub use crate::field::{Field, Section, Shape, Syntax};
pub use crate::flag::{Flag, FlagValue};
pub use crate::job::Job;
pub use crate::listener::{Listener, Tls};
pub use crate::load::{Load, Phase, PhaseKind};
pub use crate::manifest::{Driver, FORMAT, Manifest, SECTIONS};
pub use crate::metric::{Metric, Unit};
pub use crate::notifier::Notifier;
pub use crate::probe::{Probe, ProbeCheck, Probes};
pub use crate::reference::{kind_reference, reference};
pub use crate::release::{Release, Step, Strategy};
pub use crate::route::{Limit, LimitBy, Route, RoutePath};
pub use crate::schedule::Schedule;
pub use crate::schema::{KindSchema, schema};
pub use crate::secret::{Generate, SecretDeclaration};
pub use crate::service::{BuildIntent, Restart, Scale, ScaleOn, Service, Signal, Size};
pub use crate::slo::{Good, RouteRef, Slo};
pub use crate::telemetry::Telemetry;
pub use crate::tree::{Node, Origin, Table, Value};
pub use crate::variables::{env_example, variables};
pub use crate::volume::Volume;

/// Reads a manifest for an environment; see [`Document::resolve`].
#[must_use]
pub fn parse(source: &str, environment: Option<&str>) -> (Option<Manifest>, Vec<Diagnostic>) {
    Document::parse(source).resolve(environment)
}
