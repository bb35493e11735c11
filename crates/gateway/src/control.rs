//! The line to control: what it may ask, and the one who answers.
//!
//! Questions of all lines are answered one after another, so plans are applied and stored in the
//! order in which they came.

use std::net::SocketAddr;
use std::sync::Arc;

use base::Severity;
use plan::{EndpointPlan, GatewayPlan};
use runtime::StateFile;
use serde::{Deserialize, Serialize};
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot};

use crate::check::check;
use crate::limits::Limits;
use crate::page;
use crate::shard::Shared;
use crate::snapshot::{self, Snapshot, SnapshotError};
use crate::status::{self, GatewayPhase, GatewayStatus};

/// What control may ask.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Query {
    /// Serve this.
    Apply(Box<GatewayPlan>),
    /// These instances of a service are ready now.
    Endpoints { upstream: String, endpoints: Vec<EndpointPlan> },
    /// How is it going?
    Status,
    /// The metrics page.
    Metrics,
}

/// What it is answered.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    /// The generation now in force.
    Applied(u64),
    Status(Box<GatewayStatus>),
    Metrics(String),
    /// Nothing was changed, and why.
    Refused(String),
}

/// Answers one line until it closes.
pub(crate) async fn serve(
    stream: UnixStream,
    queries: mpsc::Sender<(Query, oneshot::Sender<Answer>)>,
) {
    let (mut reader, mut writer) = runtime::split(stream);
    loop {
        let answer = match reader.read::<Query>().await {
            Ok(Some(query)) => {
                let (sender, receiver) = oneshot::channel();
                if queries.send((query, sender)).await.is_err() {
                    return;
                }
                let Ok(answer) = receiver.await else { return };
                answer
            }
            Ok(None) | Err(runtime::FrameError::Stream(_)) => return,
            Err(error) => Answer::Refused(error.to_string()),
        };
        if writer.write(&answer).await.is_err() {
            return;
        }
    }
}

/// The owner of what is in force.
#[derive(Debug)]
pub(crate) struct Engine {
    shared: Arc<Shared>,
    file: StateFile,
    /// Why the plan could not be stored or read back.
    problem: Option<String>,
}

impl Engine {
    /// An owner of what is in force already.
    pub(crate) const fn new(shared: Arc<Shared>, file: StateFile, problem: Option<String>) -> Self {
        Self { shared, file, problem }
    }

    /// The bounds it was started with.
    pub(crate) fn limits(&self) -> Limits {
        self.shared.limits
    }

    /// Notes where a listener's sockets are bound.
    pub(crate) fn bound(&self, listener: &str, address: SocketAddr) {
        self.shared.metrics.bound(listener, address);
    }

    /// Answers one question.
    pub(crate) async fn answer(&mut self, query: Query, phase: GatewayPhase) -> Answer {
        match query {
            Query::Status => {
                let status = status::observe(&self.shared, phase, self.problem.clone());
                Answer::Status(Box::new(status))
            }
            Query::Metrics => Answer::Metrics(page::render(&self.shared)),
            Query::Apply(plan) => {
                let current = self.shared.snapshot.load().plan.generation;
                if plan.generation < current {
                    return Answer::Applied(current);
                }
                self.apply(*plan).await
            }
            Query::Endpoints { upstream, endpoints } => {
                let mut plan = self.shared.snapshot.load().plan.clone();
                let found = plan.upstreams.iter_mut().find(|known| known.name == upstream);
                let Some(known) = found else {
                    return Answer::Refused(format!("there is no upstream `{upstream}`"));
                };
                known.endpoints = endpoints;
                self.apply(plan).await
            }
        }
    }

    /// Serves a plan, then stores it: requests do not wait for the disk.
    async fn apply(&mut self, plan: GatewayPlan) -> Answer {
        let errors: Vec<String> = check(&plan)
            .into_iter()
            .filter(|diagnostic| diagnostic.severity == Severity::Error)
            .map(|diagnostic| diagnostic.message)
            .collect();
        if !errors.is_empty() {
            return Answer::Refused(errors.join("; "));
        }
        let previous = self.shared.snapshot.load_full();
        if previous.plan == plan && self.problem.is_none() {
            return Answer::Applied(plan.generation);
        }
        let next = Snapshot::new(plan, Some(&previous), &self.shared.metrics);
        let next = Arc::new(next);
        self.shared.snapshot.store(Arc::clone(&next));
        previous.retire_missing(&next);
        let kept = |name: &str| next.routes().iter().any(|route| route.name == name);
        self.shared.metrics.retain_routes(kept);
        let generation = next.plan.generation;
        self.problem = self.store(next).await.err().map(|error| error.to_string());
        Answer::Applied(generation)
    }

    async fn store(&self, snapshot: Arc<Snapshot>) -> Result<(), SnapshotError> {
        let file = self.file.clone();
        let stored = tokio::task::spawn_blocking(move || snapshot::store(&file, &snapshot.plan));
        match stored.await {
            Ok(stored) => stored,
            // It panicked or was stopped with the runtime; the old file is still whole.
            Err(_) => Err(SnapshotError::Interrupted),
        }
    }
}
