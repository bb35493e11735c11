//! Everything decided about one environment of one manifest on one machine.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use manifest::Manifest;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{GatewayPlan, JobPlan, ListenerPlan, Template, UnitPlan};

/// The whole decision; its slices are cut from it. It is never stored: whoever starts resolves.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The intent it was made from, for what needs no decision.
    pub manifest: Arc<Manifest>,
    /// The graph of work, in an order in which each unit comes after what it needs.
    pub units: Vec<UnitPlan>,
    /// Sockets of the gateway.
    pub listeners: Vec<ListenerPlan>,
    /// The gateway's slice; its upstreams have no endpoints yet, those follow from readiness.
    pub gateway: GatewayPlan,
    /// Jobs that are run by schedule or by hand.
    pub jobs: Vec<ScheduledJobPlan>,
    /// Secrets that must have a value before anything starts.
    pub secrets: Vec<SecretPlan>,
    /// The file services read their flags from, and its content.
    pub flags: Option<FlagsPlan>,
    /// Boxes of the topology.
    pub nodes: Vec<NodePlan>,
    /// Arrows of the topology.
    pub edges: Vec<EdgePlan>,
    /// Where a browser reaches the application.
    pub urls: Vec<String>,
    /// Where databases are reached, for `connect` and for what control observes.
    pub connections: BTreeMap<String, ConnectionPlan>,
    /// Directories to be watched, by service.
    pub watched: BTreeMap<String, Vec<PathBuf>>,
    /// What the manifest asks for that has no effect yet.
    pub notices: Vec<String>,
}

impl Plan {
    pub(crate) fn new(manifest: Arc<Manifest>) -> Self {
        Self {
            manifest,
            units: Vec::new(),
            listeners: Vec::new(),
            gateway: GatewayPlan::default(),
            jobs: Vec::new(),
            secrets: Vec::new(),
            flags: None,
            nodes: Vec::new(),
            edges: Vec::new(),
            urls: Vec::new(),
            connections: BTreeMap::new(),
            watched: BTreeMap::new(),
            notices: Vec::new(),
        }
    }
}

/// A job of the user's.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct ScheduledJobPlan {
    /// Its name.
    pub name: String,
    /// Cron expression in five fields, in UTC; absent: run by hand.
    pub schedule: Option<String>,
    /// How often it is tried again after it failed.
    pub retries: u32,
    /// Units that must be ready.
    pub needs: Vec<String>,
    /// What is run.
    pub job: JobPlan,
}

/// A secret and what may be done when it has no value.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct SecretPlan {
    /// Its name.
    pub name: String,
    /// Random bytes to generate it from; absent: the user sets it.
    pub generate: Option<u32>,
}

/// The file that flags are handed over in.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct FlagsPlan {
    /// Absolute path.
    pub path: PathBuf,
    /// JSON.
    pub content: String,
}

/// A box of the topology.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct NodePlan {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: NodePlanKind,
    /// Its build kind, engine or address.
    pub detail: String,
    /// How many instances it should have.
    pub wanted: u32,
}

/// What a box of the topology is.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NodePlanKind {
    /// A listener of the gateway.
    Listener,
    /// A service that answers requests.
    Service,
    /// A service that nothing is routed to.
    Worker,
    /// A database that is run here.
    Database,
    /// A cache that is run here.
    Cache,
    /// A database elsewhere.
    External,
}

/// An arrow of the topology.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct EdgePlan {
    /// Who calls.
    pub from: String,
    /// Who is called.
    pub to: String,
    /// By which path or variable.
    pub label: String,
}

/// Where a database is reached.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct ConnectionPlan {
    /// The engine.
    pub engine: String,
    /// As its owner.
    pub url: Template,
    /// The client that people use on it, absolute, and its arguments without the password.
    pub client: Option<ClientPlan>,
}

/// An interactive client.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct ClientPlan {
    /// Absolute path.
    pub program: PathBuf,
    /// Arguments.
    pub arguments: Vec<String>,
    /// Variables, one of which carries the password.
    pub environment: BTreeMap<String, Template>,
}
