//! Intent and observation in, a plan out.
//!
//! One pass in the order in which sections depend on each other: databases, then services, then
//! jobs, then the gateway. Mistakes that need a catalogue or the machine to be seen are collected
//! here; those that the text alone shows were found when it was parsed.

mod databases;
mod gateway;
mod jobs;
mod memory;
mod notices;
mod references;
mod services;
mod topology;

use std::collections::BTreeMap;
use std::sync::Arc;

use base::{Diagnostic, Severity, Spanned};
use manifest::{Driver, EnvValue, FlagValue, Manifest};

use crate::{FlagsPlan, Observed, Plan, SecretPlan};
use databases::ResolvedDatabase;

pub use references::{Slot, program_names, slots};

/// What one resolution has gathered so far.
struct Resolver<'a> {
    manifest: &'a Arc<Manifest>,
    observed: &'a Observed,
    databases: BTreeMap<&'a str, ResolvedDatabase<'a>>,
    services: BTreeMap<&'a str, services::ResolvedService>,
    plan: Plan,
    found: Vec<Diagnostic>,
}

/// Decides everything about one environment on one machine; without a plan there are errors.
#[must_use]
pub fn resolve(manifest: &Arc<Manifest>, observed: &Observed) -> (Option<Plan>, Vec<Diagnostic>) {
    let mut resolver = Resolver {
        manifest,
        observed,
        databases: BTreeMap::new(),
        services: BTreeMap::new(),
        plan: Plan::new(Arc::clone(manifest)),
        found: Vec::new(),
    };
    resolver.driver();
    resolver.resolve_databases();
    resolver.resolve_services();
    resolver.resolve_jobs();
    resolver.resolve_gateway();
    resolver.flags();
    resolver.found.extend(memory::check(manifest, observed));
    resolver.secrets();
    resolver.plan.nodes = topology::nodes(manifest);
    resolver.plan.edges = topology::edges(manifest);
    resolver.plan.notices = notices::without_effect(manifest);
    let failed = resolver.found.iter().any(|found| found.severity == Severity::Error);
    ((!failed).then_some(resolver.plan), resolver.found)
}

/// Finds the mistakes that the catalogues see, without looking at any machine.
#[must_use]
pub fn check(manifest: &Manifest) -> Vec<Diagnostic> {
    let mut found = databases::check(manifest);
    found.extend(services::check(manifest));
    found
}

/// Reads the keys of a build kind; its mistakes are reported elsewhere.
pub(crate) fn recipe(build: &manifest::BuildIntent) -> Option<Box<dyn crate::builds::Recipe>> {
    services::recipe(build, &mut Vec::new())
}

impl Resolver<'_> {
    fn driver(&mut self) {
        let driver = &self.manifest.driver;
        if driver.value != Driver::Process {
            let text = "only the driver `process` is here yet";
            let help = "write `driver = \"process\"`, or choose another environment with `--env`";
            self.found.push(
                Diagnostic::error("driver-not-here-yet", text).at(driver.span, "").help(help),
            );
        }
    }

    fn flags(&mut self) {
        if self.manifest.flags.is_empty() {
            return;
        }
        let values: serde_json::Map<String, serde_json::Value> = self
            .manifest
            .flags
            .iter()
            .map(|flag| (flag.name.to_string(), flag_json(&flag.value)))
            .collect();
        self.plan.flags = Some(FlagsPlan {
            path: self.observed.paths.state.join("flags.json"),
            content: format!("{:#}\n", serde_json::Value::Object(values)),
        });
    }

    /// Gathers every secret that is used, and reports those that nobody can provide.
    fn secrets(&mut self) {
        let mut needed: BTreeMap<String, Option<u32>> = BTreeMap::new();
        for database in self.databases.values() {
            for SecretPlan { name, generate } in database.secrets() {
                needed.insert(name, generate);
            }
        }
        for used in used_secrets(self.manifest) {
            let declared = self.manifest.secrets.iter().find(|declared| *declared.name == *used);
            let generate = declared.and_then(|declared| declared.generate.as_ref());
            let generate = generate.map(|generate| u32::from(generate.value.bytes));
            let exists = self.observed.secrets.contains(&used.value);
            if generate.is_none() && !exists && !needed.contains_key(&used.value) {
                self.found.push(
                    Diagnostic::error(
                        "missing-secret",
                        format!("the secret `{}` has no value here", used.value),
                    )
                    .at(used.span, "used here")
                    .help(format!("run `mainstay secret set {}`", used.value)),
                );
            }
            needed.insert(used.value.clone(), generate);
        }
        self.plan.secrets =
            needed.into_iter().map(|(name, generate)| SecretPlan { name, generate }).collect();
    }
}

fn flag_json(value: &FlagValue) -> serde_json::Value {
    match value {
        FlagValue::Boolean(truth) => (*truth).into(),
        FlagValue::Integer(number) => (*number).into(),
        FlagValue::Float(number) => (*number).into(),
        FlagValue::Text(text) => text.as_str().into(),
    }
}

/// Secrets that something which runs here is given, with where they are used.
fn used_secrets(manifest: &Manifest) -> Vec<Spanned<String>> {
    let mut used = Vec::new();
    let of_services = manifest.services.iter().map(|one| (&one.env, &one.secrets));
    let of_jobs = manifest.jobs.iter().map(|one| (&one.env, &one.secrets));
    for (env, secrets) in of_services.chain(of_jobs) {
        used.extend(secrets.iter().cloned());
        used.extend(env.iter().filter_map(|(_, value)| match &value.value {
            EnvValue::Secret(name) => Some(Spanned::new(name.clone(), value.span)),
            EnvValue::Text(_) | EnvValue::Address { .. } => None,
        }));
    }
    used.extend(manifest.databases.iter().filter_map(|database| database.url.clone()));
    used
}
