//! What programs find in their environment.

use std::collections::{HashMap, HashSet};

use base::{Diagnostic, Span, Spanned};

use super::Context;
use crate::env_value::EnvValue;
use crate::names;

/// A variable comes from `env`, from `secrets` or from a volume, not from two of them.
pub(super) fn a_variable_is_set_once(context: &Context<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let manifest = context.manifest;
    let services = manifest.services.iter().map(|s| (&s.name, &s.env, &s.secrets));
    let jobs = manifest.jobs.iter().map(|job| (&job.name, &job.env, &job.secrets));
    let mut volumes: HashMap<&str, Vec<(String, Span)>> = HashMap::new();
    for volume in &manifest.volumes {
        let span = volume.variable.as_ref().map_or(volume.span, |variable| variable.span);
        volumes.entry(&volume.of).or_default().push((volume.variable(), span));
    }
    for (user, env, secrets) in services.chain(jobs) {
        let mut seen: HashMap<&str, Span> =
            env.iter().map(|(name, _)| (name.as_str(), name.span)).collect();
        let own = secrets.iter().map(|secret| (secret.as_str(), secret.span));
        let of_volumes = volumes.get(user.as_str()).map_or(&[][..], Vec::as_slice);
        for (name, span) in own.chain(of_volumes.iter().map(|(n, span)| (n.as_str(), *span))) {
            let Some(first) = seen.insert(name, span) else {
                continue;
            };
            let message = format!("`{name}` is handed to `{}` twice", user.value);
            let diagnostic = Diagnostic::error("twice", message)
                .at(span, "")
                .at(first, "also here")
                .help("remove one of the two, or rename it");
            diagnostics.push(diagnostic);
        }
    }
}

/// Variables that every program gets without asking.
fn is_given(name: &str) -> bool {
    name == "PORT" || name.starts_with("FLAG_") || name.starts_with("MAINSTAY_")
}

/// `expects` names variables that somebody sets.
pub(super) fn what_is_expected_is_handed_over(
    context: &Context<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let manifest = context.manifest;
    let mut volumes: HashSet<(&str, String)> = HashSet::new();
    for volume in &manifest.volumes {
        volumes.insert((&volume.of, volume.variable()));
    }
    for service in &manifest.services {
        let mut known: Vec<&str> = service.env.iter().map(|(name, _)| name.as_str()).collect();
        known.extend(service.secrets.iter().map(|secret| secret.as_str()));
        let handed: HashSet<&str> = known.iter().copied().collect();
        for (name, expectation) in &service.expects {
            let of_volume = volumes.contains(&(service.name.as_str(), name.value.clone()));
            if !handed.contains(name.as_str()) && !is_given(name) && !of_volume {
                if expectation.optional {
                    continue;
                }
                let message = format!(
                    "`{}` expects `{}`, which nothing hands over",
                    service.name.value, name.value
                );
                let help = match names::nearest(name, known.iter().copied()) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => {
                        format!("add it to `env` or `secrets` of [service.{}]", service.name.value)
                    }
                };
                diagnostics
                    .push(Diagnostic::error("unknown-name", message).at(name.span, "").help(help));
                continue;
            }
            diagnostics.extend(wrong_text(service, name, expectation));
        }
    }
}

/// A text in `env` that is already known not to be what `expects` says.
fn wrong_text(
    service: &crate::Service,
    name: &Spanned<String>,
    expectation: &Spanned<crate::Expectation>,
) -> Option<Diagnostic> {
    let (_, value) = service.env.iter().find(|(known, _)| known.value == name.value)?;
    let EnvValue::Text(text) = &value.value else {
        return None;
    };
    let problem = expectation.check(text).err()?;
    let diagnostic = Diagnostic::error("contradiction", format!("`{}` {problem}", name.value))
        .at(value.span, "the value")
        .at(expectation.span, "what is expected")
        .help("change one of the two");
    Some(diagnostic)
}

/// A declared secret is used; one that is used and not declared is not a misspelled declared one.
pub(super) fn secrets_are_used_and_spelled_alike(
    context: &Context<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let manifest = context.manifest;
    let uses = manifest.secret_uses();
    let used: HashSet<&str> = uses.iter().map(|name| name.as_str()).collect();
    let declared: HashSet<&str> = manifest.secrets.iter().map(|s| s.name.as_str()).collect();
    for secret in manifest.secrets.iter().filter(|secret| !used.contains(secret.name.as_str())) {
        let message = format!("the secret `{}` is used nowhere", secret.name.value);
        let help = match names::nearest(
            &secret.name,
            used.iter().copied().filter(|n| !declared.contains(n)),
        ) {
            Some(near) => {
                format!("`{near}` is used and not declared; is one of the two misspelled?")
            }
            None => format!(
                "add it to the `secrets` of a service, write `${}` where it belongs, or remove it",
                secret.name.value
            ),
        };
        diagnostics.push(Diagnostic::warning("unused", message).at(secret.span, "").help(help));
    }
}
