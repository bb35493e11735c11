//! Boxes and arrows: what the manifest says of who calls whom.

use manifest::{EnvValue, Manifest, Role};

use super::references::{DEFAULT_LISTENER, listens};
use crate::{EdgePlan, NodePlan, NodePlanKind};

/// Listeners have names of their own, which a service may have as well.
fn listener_node(name: &str) -> String {
    format!("listener.{name}")
}

pub(super) fn nodes(manifest: &Manifest) -> Vec<NodePlan> {
    let mut nodes = Vec::new();
    if manifest.listeners.is_empty() && !manifest.routes.is_empty() {
        nodes.push(node(&listener_node(DEFAULT_LISTENER), NodePlanKind::Listener, "loopback", 0));
    }
    for listener in &manifest.listeners {
        let address = listener.address.value.to_string();
        nodes.push(node(&listener_node(&listener.name), NodePlanKind::Listener, &address, 0));
    }
    for service in &manifest.services {
        let kind =
            if listens(manifest, service) { NodePlanKind::Service } else { NodePlanKind::Worker };
        let detail = service.build.as_ref().map_or("command", |build| build.kind.as_str());
        nodes.push(node(&service.name, kind, detail, service.scale.min.value));
    }
    for database in &manifest.databases {
        let (kind, wanted) = match (&database.url, database.role) {
            (Some(_), _) => (NodePlanKind::External, 0),
            (None, Role::Database) => (NodePlanKind::Database, 1 + database.replicas.value),
            (None, Role::Cache) => (NodePlanKind::Cache, 1 + database.replicas.value),
        };
        nodes.push(node(&database.name, kind, &database.engine, wanted));
    }
    nodes
}

pub(super) fn edges(manifest: &Manifest) -> Vec<EdgePlan> {
    let mut edges = Vec::new();
    let mut add = |from: &str, to: &str, label: &str| {
        edges.push(EdgePlan { from: from.to_owned(), to: to.to_owned(), label: label.to_owned() });
    };
    for route in &manifest.routes {
        let wanted = route.listener.as_ref().map(|listener| listener.value.as_str());
        let mut listeners: Vec<&str> =
            manifest.listeners.iter().map(|listener| listener.name.as_str()).collect();
        if listeners.is_empty() {
            listeners.push(DEFAULT_LISTENER);
        }
        for listener in listeners.iter().filter(|name| wanted.is_none_or(|one| one == **name)) {
            for path in &route.paths {
                add(&listener_node(listener), &path.to, &path.path);
            }
        }
    }
    for service in &manifest.services {
        for (variable, value) in &service.env {
            if let EnvValue::Address { section, .. } = &value.value {
                add(&service.name, section, variable);
            }
        }
    }
    edges
}

fn node(name: &str, kind: NodePlanKind, detail: &str, wanted: u32) -> NodePlan {
    NodePlan { name: name.to_owned(), kind, detail: detail.to_owned(), wanted }
}
