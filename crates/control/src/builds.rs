//! Results of builds that nobody needs any more.
//!
//! Every change of watched sources leaves a whole result beside the others. The ones that a plan
//! names stay, and the two newest of each service besides, since the next change is often back.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use plan::{SupervisorPlan, UnitPlan, Work};

/// Results that are kept of each service besides those in use.
const SPARE: usize = 2;

/// Removes what neither the units nor what runs needs. A directory that cannot be removed is left
/// for the next time.
pub(crate) fn prune(state: &Path, units: &[UnitPlan], running: Option<&SupervisorPlan>) {
    let mut needed: BTreeSet<PathBuf> = BTreeSet::new();
    needed.extend(units.iter().filter_map(|unit| match &unit.work {
        Work::Prepare { done, .. } => done.exists.clone(),
        _ => None,
    }));
    let instances = running.into_iter().flat_map(|plan| &plan.instances);
    for instance in instances {
        needed.insert(instance.command.directory.clone());
        needed.extend(instance.command.program.ancestors().map(Path::to_owned));
    }
    let services = fs::read_dir(state.join("builds")).into_iter().flatten().flatten();
    for service in services {
        let mut spare: Vec<(SystemTime, PathBuf)> = fs::read_dir(service.path())
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .filter(|path| !needed.contains(path))
            // What is being put together is cleaned by whoever puts it together.
            .filter(|path| path.extension().is_none_or(|extension| extension != "new"))
            .filter_map(|path| Some((fs::metadata(&path).ok()?.modified().ok()?, path)))
            .collect();
        spare.sort();
        let surplus = spare.len().saturating_sub(SPARE);
        for (_, path) in spare.into_iter().take(surplus) {
            fs::remove_dir_all(&path).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_in_use_stays_however_old() {
        let state = tempfile::tempdir().unwrap();
        let builds = state.path().join("builds/api");
        for name in ["a", "b", "c", "d", "e", "f.new"] {
            fs::create_dir_all(builds.join(name)).unwrap();
        }
        let mut plan = SupervisorPlan::default();
        let instance: plan::InstancePlan = serde_json::from_value(serde_json::json!({
            "id": "api-1", "service": "api", "probes": {}, "limits": {}, "restart": "always",
            "stop": { "signal": 15, "deadline": { "secs": 1, "nanos": 0 } }, "tier": 1,
            "command": {
                "program": builds.join("a/api"), "arguments": [], "environment": {},
                "directory": "/", "user": null
            },
        }))
        .unwrap();
        plan.instances.push(instance);
        prune(state.path(), &[], Some(&plan));
        let mut left: Vec<String> = fs::read_dir(&builds)
            .unwrap()
            .map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned())
            .collect();
        left.sort();
        assert_eq!(left.len(), 4, "{left:?}");
        assert!(left.contains(&"a".to_owned()) && left.contains(&"f.new".to_owned()), "{left:?}");
    }
}
