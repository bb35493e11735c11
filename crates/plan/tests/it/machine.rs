//! A machine for tests: everything installed, nothing on it.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use base::{Bytes, Diagnostic};
use manifest::Manifest;
use plan::{Installed, Observed, Plan, SourceDigest, UserPlan};

pub(crate) fn parse(text: &str) -> Arc<Manifest> {
    let text = format!("format = 1\napp = \"shop\"\n{text}");
    let (manifest, found) = manifest::parse(&text, Some("dev"));
    Arc::new(manifest.unwrap_or_else(|| panic!("{found:?}")))
}

/// A machine that has what the manifest needs; Mainstay runs as root on it.
pub(crate) fn observed(manifest: &Manifest) -> Observed {
    let mut observed = Observed::default();
    observed.machine.cores = 2;
    observed.machine.memory = Bytes(8 << 30);
    for name in plan::program_names(manifest) {
        observed.machine.programs.insert(name.clone(), PathBuf::from("/usr/bin").join(name));
    }
    let installed = |major: &str, directory: &str| Installed {
        major: major.into(),
        version: format!("{major}.1"),
        directory: directory.into(),
    };
    let postgres = vec![installed("16", "/pg/16/bin"), installed("15", "/pg/15/bin")];
    observed.machine.engines.insert("postgres".into(), postgres);
    observed.machine.engines.insert("redis".into(), vec![installed("7", "/usr/bin")]);
    observed.users.root = true;
    let user = |name: &str, uid| UserPlan { name: name.into(), uid, gid: uid };
    observed.users.services = Some(user("nobody", 65_534));
    observed.users.accounts = BTreeMap::from([
        ("postgres".into(), user("postgres", 101)),
        ("redis".into(), user("redis", 102)),
    ]);
    observed.paths.project = "/project".into();
    observed.paths.state = "/state".into();
    observed.paths.runtime = "/run/shop".into();
    for (port, slot) in (20_000..).zip(plan::slots(manifest)) {
        observed.ports.insert(slot.name, slot.fixed.unwrap_or(port));
    }
    for source in plan::sources(manifest) {
        let digest = SourceDigest { sources: "5ou7ce".into(), dependencies: "10cked".into() };
        observed.sources.insert(source.name, digest);
    }
    observed
}

pub(crate) fn resolve(text: &str) -> Result<Plan, Vec<Diagnostic>> {
    let manifest = parse(text);
    let observed = observed(&manifest);
    let (plan, found) = plan::resolve(&manifest, &observed);
    plan.ok_or(found)
}
