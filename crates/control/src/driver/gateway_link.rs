//! The line to the gateway: the newest plan one way, what it counted the other.
//!
//! Only the newest plan matters, so that a `watch` carries it; a gateway that was started anew gets
//! it again.

use std::path::PathBuf;
use std::time::{Duration, UNIX_EPOCH};

use base::Clock as _;
use gateway::{Gateway, GatewayStatus};
use plan::GatewayPlan;
use runtime::{SystemClock, TaskGroup};
use tokio::sync::{mpsc, watch};

use crate::EndpointStatus;
use crate::input::Input;
use crate::traffic::{RouteTotals, Traffic};

/// Between two looks at the counters.
const LOOK: Duration = Duration::from_secs(1);

/// A gateway that has not answered for so long counts as one that does not.
const PATIENCE: Duration = Duration::from_secs(5);

/// Between two attempts to connect.
const RETRY: Duration = Duration::from_millis(50);

/// The sending end.
#[derive(Debug)]
pub(super) struct GatewayLink {
    plan: watch::Sender<Option<GatewayPlan>>,
}

impl GatewayLink {
    pub(super) fn start(
        tasks: &mut TaskGroup<()>,
        path: PathBuf,
        inputs: mpsc::Sender<Input>,
    ) -> Self {
        let plan = watch::Sender::new(None);
        tasks.spawn("gateway link", link(path, inputs, plan.subscribe()));
        Self { plan }
    }

    pub(super) fn apply(&self, plan: GatewayPlan) {
        self.plan.send_replace(Some(plan));
    }
}

async fn link(
    path: PathBuf,
    inputs: mpsc::Sender<Input>,
    mut plan: watch::Receiver<Option<GatewayPlan>>,
) {
    loop {
        if let Ok(mut gateway) = Gateway::connect(&path).await {
            if inputs.send(Input::GatewayConnected).await.is_err() {
                return;
            }
            converse(&mut gateway, &inputs, &mut plan).await;
            if inputs.send(Input::Gateway(None)).await.is_err() {
                return;
            }
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// Until the line breaks.
async fn converse(
    gateway: &mut Gateway,
    inputs: &mpsc::Sender<Input>,
    plan: &mut watch::Receiver<Option<GatewayPlan>>,
) {
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            changed = plan.changed() => {
                if changed.is_err() { return }
                let newest = plan.borrow_and_update().clone();
                let Some(newest) = newest else { continue };
                match tokio::time::timeout(PATIENCE, gateway.apply(&newest)).await {
                    Ok(Ok(_generation)) => {}
                    Ok(Err(gateway::LineError::Refused(reason))) => {
                        let reason = format!("the gateway refused its plan: {reason}");
                        if inputs.send(Input::Trouble(reason)).await.is_err() { return }
                    }
                    Ok(Err(_)) | Err(_) => return,
                }
            }
            _ = look.tick() => {
                let answer = tokio::time::timeout(PATIENCE, gateway.status()).await;
                let Ok(Ok(status)) = answer else { return };
                let traffic = traffic(&status);
                if inputs.send(Input::Gateway(Some(traffic))).await.is_err() { return }
            }
        }
    }
}

fn traffic(status: &GatewayStatus) -> Traffic {
    let now = SystemClock::new().wall().duration_since(UNIX_EPOCH).unwrap_or_default();
    let routes = status.routes.iter().map(|route| {
        let responses = route.responses;
        let totals = RouteTotals {
            requests: responses.informational
                + responses.success
                + responses.redirection
                + responses.client_error
                + responses.server_error,
            errors: responses.server_error,
            durations: route
                .durations
                .bounds
                .iter()
                .map(|bound| bound * 1e3)
                .chain(std::iter::once(f64::INFINITY))
                .zip(route.durations.counts.iter().copied())
                .collect(),
        };
        (route.name.clone(), totals)
    });
    let upstreams = status.upstreams.iter().map(|upstream| {
        let endpoints = upstream.endpoints.iter().map(|endpoint| EndpointStatus {
            instance: endpoint.instance.clone(),
            in_flight: endpoint.in_flight,
            failures: endpoint.connect_failures,
            ejected: endpoint.ejected,
        });
        (upstream.name.clone(), endpoints.collect())
    });
    Traffic {
        at: i64::try_from(now.as_millis()).unwrap_or(i64::MAX),
        routes: routes.collect(),
        upstreams: upstreams.collect(),
    }
}
