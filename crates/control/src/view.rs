//! The status made of what the loop knows. It is made anew each time and compared with nothing but
//! its own last words, to keep the age of each.

use std::collections::BTreeMap;

use plan::{NodePlan, NodePlanKind, UnitPlan};
use supervisor::{InstanceStatus, Phase, PlatformStatus};

use crate::progress::UnitState;
use crate::reconciler::{Life, Reconciler};
use crate::schedule;
use crate::{
    AppStatus, Edge, Health, InstanceView, JobView, Node, NodeKind, PlatformView, RouteView, State,
};

/// Remembers since when each word holds.
#[derive(Debug, Default)]
pub(crate) struct Ages {
    since: BTreeMap<String, (Health, i64)>,
}

impl Ages {
    /// The word with the moment from which on it has been said without a break.
    fn age(&mut self, subject: &str, now: i64, health: Health) -> Health {
        let entry = self.since.entry(subject.to_owned()).or_insert_with(|| (health.clone(), now));
        if entry.0 != health {
            *entry = (health.clone(), now);
        }
        let at = entry.1;
        match health {
            Health::Ok { .. } => Health::Ok { since: at },
            Health::Failing { reason, .. } => Health::Failing { reason, since: at },
            Health::Held { reason, .. } => Health::Held { reason, since: at },
            Health::Stale { reason, .. } => Health::Stale { reason, since: at },
            Health::NotMeasured { reason, .. } => Health::NotMeasured { reason, since: at },
        }
    }
}

/// Everything worth knowing now.
pub(crate) fn view(reconciler: &Reconciler, ages: &mut Ages) -> AppStatus {
    let now = reconciler.now();
    let plan = reconciler.plan.as_ref();
    let nodes: Vec<Node> = plan
        .iter()
        .flat_map(|plan| &plan.nodes)
        .map(|node| node_view(reconciler, node, ages))
        .collect();
    let state = match reconciler.life {
        Life::ComingUp | Life::ComingBack => State::Starting,
        Life::Up => State::Running,
        Life::Stopping => State::Stopping,
    };
    let health = app_health(reconciler, &nodes);
    AppStatus {
        app: plan.map(|plan| plan.manifest.app.to_string()).unwrap_or_default(),
        environment: plan.map(|plan| plan.manifest.environment.clone()).unwrap_or_default(),
        state,
        health: ages.age("", now, health),
        at: now,
        started_at: reconciler.started_at,
        generation: reconciler.generation,
        urls: plan.map(|plan| plan.urls.clone()).unwrap_or_default(),
        nodes,
        edges: plan.iter().flat_map(|plan| &plan.edges).map(edge).collect(),
        routes: routes(reconciler),
        jobs: jobs(reconciler),
        platform: platform(reconciler),
        notices: notices(reconciler),
    }
}

fn edge(edge: &plan::EdgePlan) -> Edge {
    Edge { from: edge.from.clone(), to: edge.to.clone(), label: edge.label.clone() }
}

fn app_health(reconciler: &Reconciler, nodes: &[Node]) -> Health {
    let problems = [&reconciler.problem, &reconciler.refused, &reconciler.unrecorded];
    if let Some(problem) = problems.into_iter().flatten().next() {
        return failing(problem.clone());
    }
    if reconciler.plan.is_none() {
        return held("reading the manifest".to_owned());
    }
    if reconciler.supervisor.is_none() {
        return Health::Stale { reason: "the supervisor does not answer".to_owned(), since: 0 };
    }
    let first = |wanted: fn(&Health) -> Option<&String>| {
        nodes.iter().find_map(|node| Some(format!("{}: {}", node.name, wanted(&node.health)?)))
    };
    let of_failing = |health: &Health| matches!(health, Health::Failing { .. });
    let of_held = |health: &Health| matches!(health, Health::Held { .. });
    if nodes.iter().any(|node| of_failing(&node.health)) {
        let reason = first(|health| match health {
            Health::Failing { reason, .. } => Some(reason),
            _ => None,
        });
        return failing(reason.unwrap_or_default());
    }
    if nodes.iter().any(|node| of_held(&node.health)) {
        let reason = first(|health| match health {
            Health::Held { reason, .. } => Some(reason),
            _ => None,
        });
        return held(reason.unwrap_or_default());
    }
    Health::Ok { since: 0 }
}

fn node_view(reconciler: &Reconciler, node: &NodePlan, ages: &mut Ages) -> Node {
    let statuses: Vec<&InstanceStatus> = reconciler
        .supervisor
        .iter()
        .flat_map(|status| &status.instances)
        .filter(|instance| instance.service == node.name)
        .collect();
    let units: Vec<(&UnitPlan, &UnitState)> =
        reconciler.progress.units().filter(|(unit, _)| unit.node == node.name).collect();
    let active = units.iter().find(|(_, state)| matches!(state, UnitState::Active { .. }));
    let activity = active.map(|(unit, _)| unit.activity.clone()).unwrap_or_default();
    let health = match node.kind {
        NodePlanKind::Listener => listener_health(reconciler),
        _ => node_health(reconciler, node, &units, &statuses),
    };
    Node {
        name: node.name.clone(),
        kind: match node.kind {
            NodePlanKind::Listener => NodeKind::Listener,
            NodePlanKind::Service => NodeKind::Service,
            NodePlanKind::Worker => NodeKind::Worker,
            NodePlanKind::Database => NodeKind::Database,
            NodePlanKind::Cache => NodeKind::Cache,
            NodePlanKind::External => NodeKind::External,
        },
        detail: node.detail.clone(),
        health: ages.age(&node.name, reconciler.now(), health),
        activity,
        wanted: node.wanted,
        instances: statuses.into_iter().map(|instance| instance_view(node, instance)).collect(),
    }
}

fn listener_health(reconciler: &Reconciler) -> Health {
    match reconciler.traffic.last() {
        Some(_) => Health::Ok { since: 0 },
        None => {
            let reason = "the gateway does not answer".to_owned();
            Health::NotMeasured { reason, since: 0 }
        }
    }
}

fn node_health(
    reconciler: &Reconciler,
    node: &NodePlan,
    units: &[(&UnitPlan, &UnitState)],
    statuses: &[&InstanceStatus],
) -> Health {
    if let Some(problems) = reconciler.unmet.get(&node.name) {
        return failing(problems.join("; "));
    }
    let failed = units.iter().find_map(|(_, state)| match state {
        UnitState::Failed(failure) => Some(failure.reason.clone()),
        _ => None,
    });
    if let Some(reason) = failed {
        return failing(reason);
    }
    let ready = statuses.iter().filter(|instance| instance.phase == Phase::Ready).count();
    let bad = statuses.iter().find(|instance| is_bad(instance.phase));
    if let Some(instance) = bad {
        let reason = instance.reason.clone().unwrap_or_else(|| phase_name(instance.phase));
        let counts = format!("{ready} of {} ready", node.wanted);
        return failing(format!("{counts}, {}: {reason}", instance.id));
    }
    let waiting = units.iter().find(|(_, state)| **state == UnitState::Waiting);
    if let Some((unit, _)) = waiting {
        let missing = unit.needs.iter().find(|need| !reconciler.progress.is_done(need));
        return held(match missing {
            Some(need) => format!("waits for {need}"),
            None => unit.activity.clone(),
        });
    }
    let active = units.iter().find(|(_, state)| matches!(state, UnitState::Active { .. }));
    if let Some((unit, _)) = active {
        return held(unit.activity.clone());
    }
    if ready < usize::try_from(node.wanted).unwrap_or(usize::MAX) {
        return held(format!("{ready} of {} ready", node.wanted));
    }
    Health::Ok { since: 0 }
}

/// Whether a phase is one that somebody should look at; starting and stopping are not.
fn is_bad(phase: Phase) -> bool {
    match phase {
        Phase::Unready | Phase::BackOff | Phase::CrashLoop | Phase::Exited | Phase::Failed => true,
        Phase::Waiting | Phase::Starting | Phase::Ready | Phase::Stopping => false,
    }
}

fn phase_name(phase: Phase) -> String {
    let name = match phase {
        Phase::Waiting => "waiting",
        Phase::Starting => "starting",
        Phase::Ready => "ready",
        Phase::Unready => "unready",
        Phase::BackOff => "back-off",
        Phase::CrashLoop => "crash-loop",
        Phase::Stopping => "stopping",
        Phase::Exited => "exited",
        Phase::Failed => "failed",
    };
    name.to_owned()
}

fn instance_view(node: &NodePlan, instance: &InstanceStatus) -> InstanceView {
    let is_database = matches!(node.kind, NodePlanKind::Database | NodePlanKind::Cache);
    let role = if instance.id.contains("-replica-") { "replica" } else { "primary" };
    InstanceView {
        id: instance.id.clone(),
        phase: phase_name(instance.phase),
        reason: instance.reason.clone(),
        role: is_database.then(|| role.to_owned()),
        pid: instance.pid,
        address: instance.address,
        started_at: instance.started_at.map(|at| at.as_millisecond()),
        restarts: u32::try_from(instance.restarts).unwrap_or(u32::MAX),
        cpu_millis: instance.cpu_millis.unwrap_or_default(),
        memory: instance.memory.map_or(0, |memory| memory.bytes.0),
        memory_limit: instance.memory_limit.map(|limit| limit.0),
    }
}

fn routes(reconciler: &Reconciler) -> Vec<RouteView> {
    let Some(plan) = &reconciler.plan else { return Vec::new() };
    let traffic = reconciler.traffic.last();
    let view = |route: &plan::RoutePlan| {
        let totals = traffic.and_then(|traffic| traffic.routes.get(&route.name));
        let rates = reconciler.traffic.rates(&route.name);
        RouteView {
            name: route.name.clone(),
            host: route.host.clone(),
            path: route.path.clone(),
            to: route.upstream.clone(),
            requests: totals.map_or(0, |totals| totals.requests),
            errors: totals.map_or(0, |totals| totals.errors),
            per_second: rates.per_second,
            errors_per_second: rates.errors_per_second,
            p50_ms: rates.p50_ms,
            p95_ms: rates.p95_ms,
            endpoints: traffic
                .and_then(|traffic| traffic.upstreams.get(&route.upstream))
                .cloned()
                .unwrap_or_default(),
        }
    };
    plan.gateway.routes.iter().map(view).collect()
}

fn jobs(reconciler: &Reconciler) -> Vec<JobView> {
    let plan = reconciler.plan.iter().flat_map(|plan| &plan.jobs);
    plan.map(|job| {
        // A job whose end cannot be read is shown as one that has not run.
        let end = reconciler.store.job_end(&job.name).ok().flatten();
        let next = job.schedule.as_ref().and_then(|text| schedule::next(text, reconciler.now()));
        JobView {
            name: job.name.clone(),
            schedule: job.schedule.clone(),
            running: reconciler.jobs.contains_key(&job.name),
            next_at: next,
            last_at: end.as_ref().map(|end| end.at),
            last_end: end.map(|end| if end.ok { "ok".to_owned() } else { end.text }),
        }
    })
    .collect()
}

fn platform(reconciler: &Reconciler) -> Vec<PlatformView> {
    let all = reconciler.supervisor.iter().flat_map(|status| &status.platform);
    let view = |process: &PlatformStatus| PlatformView {
        name: process.name.clone(),
        pid: process.pid,
        cpu_millis: process.cpu_millis.unwrap_or_default(),
        memory: process.memory.map_or(0, |memory| memory.bytes.0),
        restarts: u32::try_from(process.restarts).unwrap_or(u32::MAX),
    };
    all.map(view).collect()
}

fn notices(reconciler: &Reconciler) -> Vec<String> {
    let of_plan = reconciler.plan.iter().flat_map(|plan| &plan.notices);
    let of_supervisor = reconciler.supervisor.iter().flat_map(|status| &status.notices);
    of_plan.chain(of_supervisor).cloned().collect()
}

fn failing(reason: String) -> Health {
    Health::Failing { reason, since: 0 }
}

fn held(reason: String) -> Health {
    Health::Held { reason, since: 0 }
}
