//! Objectives that what is declared cannot meet or cannot show.

use std::time::Duration;

use base::{Diagnostic, Span, format_duration};

use super::Context;
use crate::release::Strategy;
use crate::slo::Good;

/// An objective over a month needs a month of samples.
pub(super) fn telemetry_outlasts_objectives(
    context: &Context<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    let keep = context.manifest.telemetry.keep;
    for slo in context.manifest.slos.iter().filter(|slo| keep.value < slo.over.value) {
        let message = format!(
            "objective `{}` looks back {}, but telemetry is kept for {}",
            slo.name.value,
            format_duration(slo.over.value),
            format_duration(keep.value)
        );
        let mut diagnostic = Diagnostic::error("contradiction", message).at(slo.over.span, "");
        if keep.span != Span::default() {
            diagnostic = diagnostic.at(keep.span, "kept so long");
        }
        let help =
            format!("write `keep = \"{}\"` under [telemetry]", format_duration(slo.over.value));
        diagnostics.push(diagnostic.help(help));
    }
}

/// At the declared traffic, a step sees as many requests as it asks for.
pub(super) fn evidence_can_be_reached(context: &Context<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let release = &context.manifest.release;
    let (Some(evidence), Some(rate)) = (release.evidence, release.rate) else {
        return;
    };
    #[expect(clippy::cast_precision_loss, reason = "at most a thousand million")]
    let asked = evidence.value as f64;
    for step in &release.steps {
        let per_second = rate.per_second() * step.weight.fraction();
        let seen = per_second * step.duration.as_secs_f64();
        if asked <= seen {
            continue;
        }
        let needed = Duration::try_from_secs_f64((asked / per_second / 60.0).ceil() * 60.0);
        let needed = needed.map_or_else(|_never| "years".to_owned(), format_duration);
        let message = format!(
            "{} for {} at {} gives {} requests, {} asked: this step will take {needed}",
            step.weight,
            format_duration(step.duration),
            rate.value,
            seen.floor(),
            evidence.value
        );
        let diagnostic = Diagnostic::warning("contradiction", message)
            .at(step.span, "")
            .at(evidence.span, "asked of each step")
            .at(rate.span, "the traffic")
            .help("lower `evidence`, or give the step a larger share or more time");
        diagnostics.push(diagnostic);
    }
}

/// A canary that nothing judges only delays.
pub(super) fn a_canary_is_judged(context: &Context<'_>, diagnostics: &mut Vec<Diagnostic>) {
    let release = &context.manifest.release;
    if release.strategy.value == Strategy::Canary && release.judge.is_empty() {
        let diagnostic = Diagnostic::warning("unclear", "nothing judges this canary")
            .at(release.strategy.span, "")
            .help("add `judge = [\"…\"]` with the names of objectives");
        diagnostics.push(diagnostic);
    }
}

/// How many starts a promise must leave room for: about one a day over a month.
const STARTS: u32 = 20;

/// A single instance that starts slowly uses an error budget up by being restarted.
pub(super) fn one_instance_can_keep_the_promise(
    context: &Context<'_>,
    diagnostics: &mut Vec<Diagnostic>,
) {
    for slo in
        context.manifest.slos.iter().filter(|slo| matches!(slo.good.value, Good::NotStatus(5)))
    {
        let Some(route) = context.manifest.route(&slo.of.route) else { continue };
        let budget = slo.over.value.mul_f64(1.0 - slo.target.fraction());
        for path in &route.paths {
            let meant = slo.of.path.as_ref().is_none_or(|wanted| *wanted == path.path.value);
            let Some(service) = context.services.get(path.to.as_str()).filter(|_| meant) else {
                continue;
            };
            let Some(startup) = &service.probe.startup else { continue };
            let Some(within) = startup.within.filter(|_| service.scale.min.value <= 1) else {
                continue;
            };
            if within.saturating_mul(STARTS) <= budget {
                continue;
            }
            let message = format!(
                "{} over {} allows {} without an answer, but the one instance of `{}` may take \
                    {} to start",
                slo.target.value,
                format_duration(slo.over.value),
                format_duration(Duration::from_secs(budget.as_secs())),
                service.name.value,
                format_duration(within)
            );
            let diagnostic = Diagnostic::warning("contradiction", message)
                .at(slo.target.span, "promised")
                .at(startup.span, "time to start")
                .help(format!("write `scale = {{ min = 2 }}` in [service.{}]", service.name.value));
            diagnostics.push(diagnostic);
        }
    }
}
