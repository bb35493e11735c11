//! Who refers to whom, and what follows from that before anything is decided: which services
//! listen, which ports are needed, which programs must be found.

use std::collections::BTreeSet;

use manifest::{EnvValue, Manifest, Service};

use crate::{builds, databases};

/// Something that needs a port of its own on loopback.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Slot {
    /// Unique and stable: an instance's id, `internal:api`, `gateway:metrics`.
    pub name: String,
    /// The port the manifest demands.
    pub fixed: Option<u16>,
}

/// Every slot of a manifest. Control gives each a port, and the same one next time.
#[must_use]
pub fn slots(manifest: &Manifest) -> Vec<Slot> {
    let mut slots = Vec::new();
    for database in manifest.databases.iter().filter(|database| database.url.is_none()) {
        let Some(kind) = base::find(databases::ALL, &database.engine) else { continue };
        for (index, name) in kind.code.instances(database).into_iter().enumerate() {
            let fixed = database.port.as_ref().filter(|_| index == 0).map(|port| port.value);
            slots.push(Slot { name, fixed });
        }
    }
    for service in manifest.services.iter().filter(|service| listens(manifest, service)) {
        for number in 1..=service.scale.min.value {
            let fixed = service.port.as_ref().filter(|_| number == 1).map(|port| port.value);
            slots.push(Slot { name: instance_id(&service.name, number), fixed });
        }
        if referenced(manifest, &service.name) {
            slots.push(Slot { name: internal(&service.name), fixed: None });
        }
    }
    if !slots.is_empty() {
        slots.push(Slot { name: METRICS.to_owned(), fixed: None });
    }
    if manifest.listeners.is_empty() && !manifest.routes.is_empty() {
        slots.push(Slot { name: DEFAULT_LISTENER.to_owned(), fixed: None });
    }
    slots
}

/// The gateway's own metrics.
pub(super) const METRICS: &str = "gateway:metrics";

/// The listener that is there when the manifest declares none.
pub(super) const DEFAULT_LISTENER: &str = "listener";

/// The slot of a service's internal listener.
pub(super) fn internal(service: &str) -> String {
    format!("internal:{service}")
}

pub(super) fn instance_id(service: &str, number: u32) -> String {
    format!("{service}-{number}")
}

/// The programs that builds and commands need, by name.
#[must_use]
pub fn program_names(manifest: &Manifest) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let builds = manifest.services.iter().filter_map(|service| service.build.as_ref());
    let builds = builds.chain(manifest.jobs.iter().filter_map(|job| job.build.as_ref()));
    for build in builds {
        if let Some(kind) = base::find(builds::ALL, &build.kind) {
            names.extend(kind.code.programs().iter().map(|&name| name.to_owned()));
        }
    }
    let commands = manifest.services.iter().filter_map(|service| service.run.as_ref());
    let commands = commands.chain(manifest.jobs.iter().map(|job| &job.run));
    names.extend(commands.map(|command| command.program().to_owned()));
    for service in &manifest.services {
        let probes = [&service.probe.startup, &service.probe.readiness, &service.probe.liveness];
        names.extend(probes.into_iter().flatten().filter_map(|probe| match &probe.check {
            manifest::ProbeCheck::Command(command) => Some(command.program().to_owned()),
            manifest::ProbeCheck::Http { .. } | manifest::ProbeCheck::Tcp => None,
        }));
    }
    names
}

/// Whether requests can reach a service: by a route, a port, or another's reference.
pub(super) fn listens(manifest: &Manifest, service: &Service) -> bool {
    service.port.is_some() || routed(manifest, &service.name) || referenced(manifest, &service.name)
}

pub(super) fn routed(manifest: &Manifest, service: &str) -> bool {
    manifest.routes.iter().flat_map(|route| &route.paths).any(|path| *path.to == service)
}

/// Whether somebody's environment holds the service's address.
pub(super) fn referenced(manifest: &Manifest, service: &str) -> bool {
    let of_services = manifest.services.iter().flat_map(|other| &other.env);
    let of_jobs = manifest.jobs.iter().flat_map(|job| &job.env);
    of_services.chain(of_jobs).any(|(_, value)| match &value.value {
        EnvValue::Address { section, .. } => section == service,
        EnvValue::Text(_) | EnvValue::Secret(_) => false,
    })
}

/// The services and databases that a service refers to.
pub(super) fn addresses(service: &Service) -> impl Iterator<Item = (&str, Option<&str>)> {
    service.env.iter().filter_map(|(_, value)| match &value.value {
        EnvValue::Address { section, part } => Some((section.as_str(), part.as_deref())),
        EnvValue::Text(_) | EnvValue::Secret(_) => None,
    })
}

/// How far a service is from the databases: what it needs stops after it.
pub(super) fn tier(manifest: &Manifest, service: &Service) -> u32 {
    let below = addresses(service).filter_map(|(section, _)| {
        manifest
            .services
            .iter()
            .find(|other| *other.name == section && *other.name != *service.name)
    });
    1 + below.map(|other| tier(manifest, other)).max().unwrap_or_default()
}
