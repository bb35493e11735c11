//! Whether everything that is declared fits into this machine's memory.

use base::{Bytes, Diagnostic};
use manifest::Manifest;

use crate::Observed;

/// A warning when the declared sizes together exceed what the machine has: they are limits, which
/// need not all be reached, but on a bad day they are.
pub(super) fn check(manifest: &Manifest, observed: &Observed) -> Option<Diagnostic> {
    let of_services = manifest.services.iter().filter_map(|service| {
        let memory = service.size.memory?;
        let instances = u64::from(service.scale.min.value);
        Some((memory.span, memory.value.0.saturating_mul(instances)))
    });
    let of_databases = manifest.databases.iter().filter_map(|database| {
        let memory = database.memory.as_ref().filter(|_| database.url.is_none())?;
        let instances = u64::from(database.replicas.value) + 1;
        Some((memory.span, memory.value.0.saturating_mul(instances)))
    });
    let mut all: Vec<_> = of_services.chain(of_databases).collect();
    let total = all.iter().fold(0_u64, |total, (_, bytes)| total.saturating_add(*bytes));
    let machine = observed.machine.memory;
    if machine == Bytes(0) || total <= machine.0 {
        return None;
    }
    all.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
    let (largest, _) = all.first()?;
    Some(
        Diagnostic::warning(
            "memory-above-machine",
            format!(
                "all instances together may use {}, but this machine has {machine}",
                Bytes(total)
            ),
        )
        .at(*largest, "the largest share")
        .help("lower the sizes or the number of instances, or use a larger machine"),
    )
}
