//! What sections say against each other.
//!
//! Each check is a function of its own over the whole manifest, listed below; it names both places
//! and a remedy. What needs the machine (versions, files, memory) is asked elsewhere.

mod capacity;
mod objectives;
mod order;
mod references;
mod traffic;
mod variables;

use std::collections::HashMap;

use base::{Diagnostic, Span, Spanned};

use crate::database::Database;
use crate::env_value::EnvValue;
use crate::manifest::Manifest;
use crate::names;
use crate::service::Service;

/// Every check, in no particular order: the mistakes are sorted by place afterwards.
const CHECKS: &[fn(&Context<'_>, &mut Vec<Diagnostic>)] = &[
    references::names_are_unique,
    references::addresses_exist,
    references::routes_lead_to_services,
    references::jobs_and_volumes_belong_to_services,
    references::objectives_exist,
    references::notifiers_exist,
    order::there_is_no_cycle,
    variables::a_variable_is_set_once,
    variables::what_is_expected_is_handed_over,
    variables::secrets_are_used_and_spelled_alike,
    capacity::connections_suffice,
    capacity::a_fixed_port_has_one_instance,
    capacity::a_port_is_used_once,
    capacity::scaling_has_room,
    capacity::recovery_has_a_backup,
    capacity::a_backup_survives_its_disk,
    capacity::a_context_has_its_driver,
    traffic::what_is_asked_listens,
    traffic::no_two_routes_match_alike,
    traffic::certificates_have_a_host,
    traffic::a_drain_outlasts_requests,
    traffic::a_retried_request_can_be_good,
    traffic::a_load_fits_its_limit,
    objectives::telemetry_outlasts_objectives,
    objectives::evidence_can_be_reached,
    objectives::a_canary_is_judged,
    objectives::one_instance_can_keep_the_promise,
];

/// Runs every check.
pub(crate) fn check(manifest: &Manifest, diagnostics: &mut Vec<Diagnostic>) {
    let context = Context::new(manifest);
    for check in CHECKS {
        check(&context, diagnostics);
    }
}

/// The manifest with what most checks look up.
struct Context<'a> {
    manifest: &'a Manifest,
    services: HashMap<&'a str, &'a Service>,
    databases: HashMap<&'a str, &'a Database>,
    written: HashMap<&'static str, Vec<&'a str>>,
}

/// An address that a service or job uses.
struct AddressUse<'a> {
    /// Who uses it.
    user: &'a str,
    /// The section that is addressed.
    section: &'a str,
    /// Which of its addresses.
    part: Option<&'a str>,
    /// Where it is written.
    span: Span,
}

impl<'a> Context<'a> {
    fn new(manifest: &'a Manifest) -> Self {
        let service = |service: &'a Service| (service.name.as_str(), service);
        let database = |database: &'a Database| (database.name.as_str(), database);
        let mut written: HashMap<&'static str, Vec<&'a str>> = HashMap::new();
        for (section, name) in &manifest.written {
            written.entry(section).or_default().push(name);
        }
        Self {
            manifest,
            written,
            services: manifest.services.iter().map(service).collect(),
            databases: manifest.databases.iter().map(database).collect(),
        }
    }

    /// The names of a section's entries as they were written, also of those that are broken.
    fn written(&self, section: &str) -> &[&'a str] {
        self.written.get(section).map_or(&[], Vec::as_slice)
    }

    /// Every address in every environment of a program.
    fn addresses(&self) -> impl Iterator<Item = AddressUse<'a>> {
        let services = self.manifest.services.iter().map(|service| (&service.name, &service.env));
        let jobs = self.manifest.jobs.iter().map(|job| (&job.name, &job.env));
        services
            .chain(jobs)
            .flat_map(|(user, env)| env.iter().filter_map(|(_, v)| address(user, v)))
    }
}

/// The address that a value is, if it is one.
fn address<'a>(user: &'a str, value: &'a Spanned<EnvValue>) -> Option<AddressUse<'a>> {
    match &value.value {
        EnvValue::Address { section, part } => {
            Some(AddressUse { user, section, part: part.as_deref(), span: value.span })
        }
        EnvValue::Text(_) | EnvValue::Secret(_) => None,
    }
}

/// A name that stands for nothing.
fn unknown(what: &str, written: &Spanned<String>, known: &[&str], none: &str) -> Diagnostic {
    let message = format!("there is no {what} `{}`", written.value);
    let help = names::remedy(&written.value, known, none);
    Diagnostic::error("unknown-name", message).at(written.span, "").help(help)
}
