//! Parts of the manifest that are understood but have no effect yet, each named in one line.

use manifest::{Manifest, Strategy};

/// One line for each part that is there and does nothing.
pub(super) fn without_effect(manifest: &Manifest) -> Vec<String> {
    let mut parts: Vec<&str> = Vec::new();
    let mut name = |present: bool, part: &'static str| {
        if present {
            parts.push(part);
        }
    };
    let databases = || manifest.databases.iter();
    let paths = || manifest.routes.iter().flat_map(|route| &route.paths);
    let scales = |service: &manifest::Service| service.scale.min.value < service.scale.max.value;
    name(databases().any(|database| database.backup.is_some()), "backup");
    name(databases().any(|database| database.recover.is_some()), "recover");
    name(manifest.services.iter().any(scales), "scale above its min");
    name(paths().any(|path| path.limit.is_some()), "limit of routes");
    name(manifest.listeners.iter().any(|listener| listener.tls.is_some()), "tls of listeners");
    name(manifest.listeners.iter().any(|one| one.redirect.is_some()), "redirect of listeners");
    name(!manifest.slos.is_empty(), "slo");
    name(!manifest.metrics.is_empty(), "metric");
    name(!manifest.loads.is_empty(), "load");
    name(!manifest.alerts.is_empty(), "alert");
    name(!manifest.notifiers.is_empty(), "notify");
    let release = &manifest.release;
    let is_written = release.span != base::Span::default();
    name(is_written && release.strategy.value != Strategy::Restart, "release");
    if parts.is_empty() {
        return Vec::new();
    }
    vec![format!("checked but without effect yet: {}", parts.join(", "))]
}
