//! Quantities that must fit into each other: connections, ports, instances, copies.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use base::{Diagnostic, Span};

use super::Context;
use crate::database::{Database, Repository, Role};
use crate::manifest::Driver;
use crate::service::Service;

/// Connections of all instances, of a migration and of a backup fit what the database allows.
pub(super) fn connections_suffice(context: &Context<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let mut users: HashMap<&str, Vec<&Service>> = HashMap::new();
    for address in context.addresses() {
        let Some(service) = context.services.get(address.user) else {
            continue;
        };
        let users = users.entry(address.section).or_default();
        let known = users.iter().any(|known| known.name.value == service.name.value);
        if service.pool.is_some() && !known {
            users.push(service);
        }
    }
    for database in context.manifest.databases.iter().filter(|db| db.role == Role::Database) {
        if let Some(users) = users.get(database.name.as_str()) {
            diagnostics.extend(too_many_connections(database, users));
        }
    }
}

fn opened(service: &Service) -> u64 {
    let pool = service.pool.map_or(0, |pool| u64::from(pool.value));
    pool * u64::from(service.scale.max.value)
}

fn too_many_connections(database: &Database, users: &[&Service]) -> Option<Diagnostic> {
    let extras =
        [(database.migrations.is_some(), "migrations"), (database.backup.is_some(), "backups")];
    let extras: Vec<&str> =
        extras.iter().filter(|(there, _)| *there).map(|(_, what)| *what).collect();
    let allowed = u64::from(database.connections.value);
    let total = users.iter().map(|service| opened(service)).sum::<u64>()
        + u64::try_from(extras.len()).unwrap_or(0);
    let largest = users.iter().max_by_key(|service| opened(service))?;
    let pool = largest.pool?;
    if total <= allowed {
        return None;
    }
    let term = |service: &&Service| {
        let max = service.scale.max.value;
        let noun = if max == 1 { "instance" } else { "instances" };
        let pool = service.pool.map_or(0, |pool| pool.value);
        match users.len() {
            1 => format!("{max} {noun} x {pool} connections"),
            _ => format!("{max} x {pool} of `{}`", service.name.value),
        }
    };
    let mut terms: Vec<String> = users.iter().map(term).collect();
    terms.extend(extras.iter().map(|what| format!("1 for {what}")));
    let name = &database.name.value;
    let message = match terms.as_slice() {
        [only] if largest.scale.max.value == 1 => format!("{only}, but `{name}` allows {allowed}"),
        all => format!("{} = {total}, but `{name}` allows {allowed}", all.join(" + ")),
    };
    let mut diagnostic = Diagnostic::error("contradiction", message)
        .at(pool.span, format!("each instance of `{}` opens this many", largest.name.value));
    let max = largest.scale.max;
    if max.span != largest.span {
        diagnostic = diagnostic.at(max.span, "at most this many instances");
    }
    if database.connections.span != database.span {
        diagnostic = diagnostic.at(database.connections.span, "all that are allowed");
    }
    Some(diagnostic.help(connection_remedies(database, largest, total)))
}

fn connection_remedies(database: &Database, largest: &Service, total: u64) -> String {
    let allowed = u64::from(database.connections.value);
    let room = allowed.saturating_sub(total - opened(largest));
    let (pool, max) =
        (largest.pool.map_or(1, |pool| u64::from(pool.value)), largest.scale.max.value);
    let mut remedies = Vec::new();
    let smaller_pool = room / u64::from(max.max(1));
    if 0 < smaller_pool {
        remedies.push(format!("`pool = {smaller_pool}`"));
    }
    let fewer = room / pool.max(1);
    if u64::from(largest.scale.min.value.max(1)) <= fewer {
        remedies.push(format!("`max = {fewer}`"));
    }
    remedies.push(format!("`connections = {total}` in [database.{}]", database.name.value));
    remedies.join(", or ")
}

/// Two instances cannot listen on one port of one machine.
pub(super) fn a_fixed_port_has_one_instance(
    context: &Context<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    if context.manifest.driver.value != Driver::Process {
        return;
    }
    for service in context.manifest.services.iter().filter(|service| 1 < service.scale.max.value) {
        let Some(port) = service.port else { continue };
        let max = service.scale.max;
        let message = format!(
            "{} instances of `{}` cannot all listen on port {}",
            max.value, service.name.value, port.value
        );
        let diagnostic = Diagnostic::error("contradiction", message)
            .at(port.span, "one port")
            .at(max.span, "several instances")
            .help("remove `port`: each instance then gets one of its own in `PORT`");
        diagnostics.push(diagnostic);
    }
}

/// Listeners, services and databases with fixed ports do not meet.
pub(super) fn a_port_is_used_once(context: &Context<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let manifest = context.manifest;
    let loopback = |port: u16| SocketAddr::new(IpAddr::from([127, 0, 0, 1]), port);
    let mut uses: Vec<(SocketAddr, Span, String)> = Vec::new();
    for listener in &manifest.listeners {
        let who = format!("listener `{}`", listener.name.value);
        uses.push((listener.address.value, listener.address.span, who.clone()));
        uses.extend(listener.redirect.map(|from| (from.value, from.span, who)));
    }
    if manifest.driver.value == Driver::Process {
        for service in &manifest.services {
            let who = format!("service `{}`", service.name.value);
            uses.extend(service.port.map(|port| (loopback(port.value), port.span, who)));
        }
        for database in manifest.databases.iter().filter(|database| database.url.is_none()) {
            let who = format!("{} `{}`", database.role.section(), database.name.value);
            uses.extend(database.port.map(|port| (loopback(port.value), port.span, who)));
        }
    }
    let mut seen: HashMap<u16, Vec<&(SocketAddr, Span, String)>> = HashMap::new();
    for used in &uses {
        let others = seen.entry(used.0.port()).or_default();
        let meets = |other: &&&(SocketAddr, Span, String)| meet(other.0.ip(), used.0.ip());
        if let Some(first) = others.iter().find(meets) {
            let message =
                format!("port {} is used twice: by {} and by {}", used.0.port(), first.2, used.2);
            let diagnostic = Diagnostic::error("port-twice", message)
                .at(used.1, "")
                .at(first.1, "also here")
                .help("choose another port for one of the two");
            diagnostics.push(diagnostic);
        } else {
            others.push(used);
        }
    }
}

/// Whether both addresses cannot be listened on with the same port.
fn meet(a: IpAddr, b: IpAddr) -> bool {
    a == b || a.is_unspecified() || b.is_unspecified()
}

/// `on` decides between `min` and `max`.
pub(super) fn scaling_has_room(context: &Context<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for service in &context.manifest.services {
        let Some(on) = service.scale.on else { continue };
        let (min, max) = (service.scale.min, service.scale.max);
        if min.value == max.value {
            let message = format!(
                "nothing to decide: `{}` always has {} instances",
                service.name.value, min.value
            );
            let diagnostic = Diagnostic::error("contradiction", message)
                .at(on.span, "decides between `min` and `max`")
                .at(max.span, "both are the same")
                .help("raise `max`, or remove `on`");
            diagnostics.push(diagnostic);
        }
        let bound = match on.value {
            crate::ScaleOn::Cpu(_) => ("cpu", service.size.cpu.is_some()),
            crate::ScaleOn::Memory(_) => ("memory", service.size.memory.is_some()),
            crate::ScaleOn::Requests(_) => continue,
        };
        if let (what, false) = bound {
            let message = format!(
                "`{}` scales on a share of its {what}, which has no size",
                service.name.value
            );
            let help = format!("add `{what}` to `size`; until then the machine's is meant");
            diagnostics.push(Diagnostic::warning("unclear", message).at(on.span, "").help(help));
        }
    }
}

/// Recovery needs something to recover from.
pub(super) fn recovery_has_a_backup(context: &Context<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for database in &context.manifest.databases {
        let Some(recover) = &database.recover else { continue };
        if database.table.has("backup") {
            continue;
        }
        let spans = [
            recover.drill.as_ref().map(|drill| drill.span),
            recover.rpo.as_ref().map(|rpo| rpo.span),
            recover.rto.as_ref().map(|rto| rto.span),
            recover.check.as_ref().map(|check| check.span),
        ];
        let span = spans.into_iter().flatten().next().unwrap_or(database.span);
        let message =
            format!("`{}` must be recovered, and is never backed up", database.name.value);
        let diagnostic = Diagnostic::error("contradiction", message)
            .at(span, "")
            .at(database.span, "no `backup` here")
            .help("add `backup = { to = \"$BACKUP_REPOSITORY\" }`, or remove `recover`");
        diagnostics.push(diagnostic);
    }
}

/// A directory beside the manifest is lost with the data.
pub(super) fn a_backup_survives_its_disk(context: &Context<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for database in &context.manifest.databases {
        let Some(backup) = &database.backup else { continue };
        if let Repository::Directory(directory) = &backup.to.value {
            let message =
                format!("the backup of `{}` lies beside what it protects", database.name.value);
            let help = format!(
                "`{directory}` is lost with the disk; write `to = \"$BACKUP_REPOSITORY\"` and \
                    set that secret to a place elsewhere"
            );
            diagnostics.push(
                Diagnostic::warning("contradiction", message).at(backup.to.span, "").help(help),
            );
        }
    }
}

/// `context` names a cluster, which only one driver has.
pub(super) fn a_context_has_its_driver(context: &Context<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let driver = context.manifest.driver;
    let Some(cluster) = &context.manifest.context else {
        return;
    };
    if driver.value != Driver::Kubernetes {
        let message =
            format!("`context` names a cluster, and the driver is `{}`", driver.value.name());
        let mut diagnostic = Diagnostic::error("contradiction", message).at(cluster.span, "");
        if driver.span != Span::default() {
            diagnostic = diagnostic.at(driver.span, "the driver");
        }
        let help = "write `driver = \"kubernetes\"`, or remove `context`";
        diagnostics.push(diagnostic.help(help));
    }
}
