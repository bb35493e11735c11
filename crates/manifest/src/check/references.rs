//! Names that stand for other sections.

use std::collections::HashMap;

use base::{Diagnostic, Span, Spanned};

use super::{AddressUse, Context, unknown};
use crate::alert::Trigger;
use crate::names;

/// Which addresses of a service can be asked for, beside the main one.
const SERVICE_PARTS: &[&str] = &[];
/// Which addresses of a database can be asked for, beside the main one.
const DATABASE_PARTS: &[&str] = &["replica"];

/// `@x`, `to = "x"` and `mainstay logs x` mean one thing.
pub(super) fn names_are_unique(context: &Context<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let manifest = context.manifest;
    let services = manifest.services.iter().map(|service| (&service.name, "service"));
    let databases = manifest.databases.iter().map(|db| (&db.name, db.role.section()));
    let jobs = manifest.jobs.iter().map(|job| (&job.name, "job"));
    let mut seen: HashMap<&str, (Span, &str)> = HashMap::new();
    for (name, section) in services.chain(databases).chain(jobs) {
        let Some((first, other)) = seen.insert(name, (name.span, section)) else {
            continue;
        };
        let message = format!("a {section} and a {other} are both named `{}`", name.value);
        let diagnostic = Diagnostic::error("twice", message)
            .at(name.span, "")
            .at(first, "")
            .help("rename one: services, databases, caches and jobs share their names");
        diagnostics.push(diagnostic);
    }
}

/// `@name` and `@name.part` in environments.
pub(super) fn addresses_exist(context: &Context<'_>, diagnostics: &mut Vec<Diagnostic>) {
    for address in context.addresses() {
        if context.services.contains_key(address.section) {
            diagnostics.extend(unknown_part(&address, "service", SERVICE_PARTS));
        } else if let Some(database) = context.databases.get(address.section) {
            diagnostics.extend(unknown_part(&address, database.role.section(), DATABASE_PARTS));
        } else {
            diagnostics.extend(unknown_address(context, &address));
        }
    }
}

fn unknown_part(address: &AddressUse<'_>, section: &str, parts: &[&str]) -> Option<Diagnostic> {
    let part = address.part.filter(|part| !parts.contains(part))?;
    let message = format!("the {section} `{}` has no address `{part}`", address.section);
    let help = match names::nearest(part, parts.iter().copied()) {
        Some(near) => format!("did you mean `@{}.{near}`?", address.section),
        None => {
            format!("write `@{0}`, or after `@{0}.` {1}", address.section, names::quoted(parts))
        }
    };
    Some(Diagnostic::error("unknown-name", message).at(address.span, "").help(help))
}

fn unknown_address(context: &Context<'_>, address: &AddressUse<'_>) -> Option<Diagnostic> {
    let sections = ["service", "database", "cache"];
    let known: Vec<&str> =
        sections.iter().flat_map(|section| context.written(section)).copied().collect();
    if known.contains(&address.section) {
        return None;
    }
    let message = format!("there is no service, database or cache `{}`", address.section);
    let help = match names::nearest(address.section, known.iter().copied()) {
        Some(near) => format!("did you mean `@{near}`?"),
        None => format!(
            "add a section of that name, or write `@@{}` if the text begins with an `@`",
            address.section
        ),
    };
    Some(Diagnostic::error("unknown-name", message).at(address.span, "").help(help))
}

/// `to` and `listener` of routes.
pub(super) fn routes_lead_to_services(context: &Context<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let listeners = context.written("listener");
    for route in &context.manifest.routes {
        for path in &route.paths {
            diagnostics.extend(not_a_service(context, &path.to));
        }
        if let Some(listener) = &route.listener
            && !listeners.contains(&listener.as_str())
        {
            let none = "add `[listener.web]`, or remove `listener`";
            diagnostics.push(unknown("listener", listener, listeners, none));
        }
    }
}

/// `of` of jobs and volumes.
pub(super) fn jobs_and_volumes_belong_to_services(
    context: &Context<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let jobs = context.manifest.jobs.iter().filter_map(|job| job.of.as_ref());
    let volumes = context.manifest.volumes.iter().map(|volume| &volume.of);
    for of in jobs.chain(volumes) {
        diagnostics.extend(not_a_service(context, of));
    }
}

fn not_a_service(context: &Context<'_>, name: &Spanned<String>) -> Option<Diagnostic> {
    if context.services.contains_key(name.as_str()) {
        return None;
    }
    let manifest = context.manifest;
    let other = match context.databases.get(name.as_str()) {
        Some(database) => Some((database.span, database.role.section())),
        None => manifest.job(name).map(|job| (job.span, "job")),
    };
    if let Some((span, section)) = other {
        let message = format!("`{}` is a {section}, and a service is needed here", name.value);
        let diagnostic = Diagnostic::error("unknown-name", message)
            .at(name.span, "")
            .at(span, "here")
            .help("write the name of a service");
        return Some(diagnostic);
    }
    let known = context.written("service");
    let none = format!("add `[service.{}]`", name.value);
    Some(unknown("service", name, known, &none))
}

/// `judge` of loads and of the release, `of` of alerts and of objectives.
pub(super) fn objectives_exist(context: &Context<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let manifest = context.manifest;
    let known = context.written("slo");
    let of_alerts = manifest.alerts.iter().flat_map(|alert| match &alert.trigger {
        Trigger::Burn { of, .. } => of.as_slice(),
        Trigger::When { .. } => &[],
    });
    let judges = manifest.loads.iter().flat_map(|load| &load.judge);
    for name in judges.chain(&manifest.release.judge).chain(of_alerts) {
        if !known.contains(&name.as_str()) {
            let none = format!("add `{} = {{ … }}` under [slo]", name.value);
            diagnostics.push(unknown("objective", name, known, &none));
        }
    }
    for alert in &manifest.alerts {
        if let Trigger::Burn { speed, of } = &alert.trigger
            && of.is_empty()
            && known.is_empty()
        {
            let message = format!(
                "alert `{}` watches error budgets, and there is no objective",
                alert.name.value
            );
            let help = "add objectives under [slo], or write `when = \"…\"` instead of `burn`";
            diagnostics
                .push(Diagnostic::error("contradiction", message).at(speed.span, "").help(help));
        }
    }
    for slo in &manifest.slos {
        diagnostics.extend(unknown_route(context, &slo.of));
    }
}

fn unknown_route(context: &Context<'_>, of: &Spanned<crate::slo::RouteRef>) -> Option<Diagnostic> {
    let manifest = context.manifest;
    let Some(route) = manifest.route(&of.route) else {
        let known = context.written("route");
        if known.contains(&of.route.as_str()) {
            return None;
        }
        let name = Spanned::new(of.route.clone(), of.span);
        return Some(unknown("route", &name, known, "add a route, such as `[route.app]`"));
    };
    let path = of.path.as_deref()?;
    let known: Vec<&str> = route.paths.iter().map(|path| path.path.as_str()).collect();
    if known.contains(&path) {
        return None;
    }
    let message = format!("route `{}` has no path `{path}`", of.route);
    let whole: Vec<String> = known.iter().map(|path| format!("{}{path}", of.route)).collect();
    let whole: Vec<&str> = whole.iter().map(String::as_str).collect();
    let help = names::remedy(&of.to_string(), &whole, "add the path to the route");
    let diagnostic = Diagnostic::error("unknown-name", message)
        .at(of.span, "")
        .at(route.span, "the route")
        .help(help);
    Some(diagnostic)
}

/// `notify` of alerts.
pub(super) fn notifiers_exist(context: &Context<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let manifest = context.manifest;
    let known = context.written("notify");
    for name in manifest.alerts.iter().flat_map(|alert| &alert.notify) {
        if !known.contains(&name.as_str()) {
            let none = format!("add `[notify.{}]`", name.value);
            diagnostics.push(unknown("notifier", name, known, &none));
        }
    }
}
