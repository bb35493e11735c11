//! Rules that hold for every engine and every build kind, whichever they are.

use std::collections::BTreeSet;

use base::Secret;
use plan::{Part, Step, Template, Work};

use crate::machine;

/// Every engine, with a replica where it takes one.
fn databases() -> String {
    let sections = plan::databases::ALL.iter().map(|kind| {
        let replicas = if kind.code.parts().is_empty() { 0 } else { 1 };
        format!("[database.{0}-one]\nengine = \"{0}\"\nreplicas = {replicas}\n", kind.name)
    });
    sections.collect()
}

/// Every build kind, with its required keys as their examples have them.
fn services() -> String {
    let sections = plan::builds::ALL.iter().map(|kind| {
        let required = kind.code.fields().iter().filter(|field| field.required);
        let keys: String =
            required.map(|field| format!(", {} = {}", field.name, field.example)).collect();
        format!("[service.{0}-one]\nport = 9\nbuild = {{ kind = \"{0}\"{keys} }}\n", kind.name)
    });
    // Each its own port.
    (9_001..)
        .zip(sections)
        .map(|(port, text)| text.replace("= 9\n", &format!("= {port}\n")))
        .collect()
}

fn templates(work: &Work) -> Vec<&Template> {
    match work {
        Work::Run { instances } => {
            instances.iter().flat_map(|one| one.command.environment.values()).collect()
        }
        Work::Prepare { job, .. } => job
            .steps
            .iter()
            .flat_map(|step| match step {
                Step::Run { command, input, .. } => {
                    command.environment.values().chain(input).collect::<Vec<_>>()
                }
                Step::File { content, .. } => vec![content],
                _ => Vec::new(),
            })
            .collect(),
        Work::Migrate { migration } => vec![&migration.url],
        Work::Seed { url, .. } | Work::Reach { url, .. } => vec![url],
    }
}

#[test]
fn names_are_unique_and_what_people_write() {
    let names: Vec<&str> = plan::databases::ALL
        .iter()
        .map(|kind| kind.name)
        .chain(plan::builds::ALL.iter().map(|kind| kind.name))
        .collect();
    let unique: BTreeSet<&&str> = names.iter().collect();
    assert_eq!(unique.len(), names.len());
    assert!(names.iter().all(|name| manifest::names::is_name(name)), "{names:?}");
}

#[test]
fn every_unit_comes_after_what_it_needs_and_has_an_id_of_its_own() {
    let plan = machine::resolve(&(databases() + &services())).unwrap();
    let mut seen = BTreeSet::new();
    for unit in &plan.units {
        for need in &unit.needs {
            assert!(seen.contains(need), "`{}` needs `{need}`, which comes later", unit.id);
        }
        assert!(seen.insert(unit.id.clone()), "`{}` is there twice", unit.id);
    }
    assert!(seen.len() > plan::databases::ALL.len() + plan::builds::ALL.len());
}

#[test]
fn every_secret_that_is_used_is_one_that_is_provided() {
    let plan = machine::resolve(&databases()).unwrap();
    let provided: BTreeSet<&str> = plan.secrets.iter().map(|secret| secret.name.as_str()).collect();
    for unit in &plan.units {
        for name in templates(&unit.work).into_iter().flat_map(Template::secrets) {
            assert!(provided.contains(name), "`{}` uses `{name}`", unit.id);
        }
    }
}

#[test]
fn no_secret_stands_on_a_command_line_or_in_what_is_stored() {
    let plan = machine::resolve(&databases()).unwrap();
    // Arguments are plain text and cannot hold one; what remains is that none is written as text.
    let values: std::collections::BTreeMap<String, Secret> = plan
        .secrets
        .iter()
        .map(|secret| (secret.name.clone(), Secret::new(format!("VALUE-OF-{}", secret.name))))
        .collect();
    let text = serde_json::to_string(&plan.units).unwrap();
    assert!(!text.contains("VALUE-OF-"));
    for connection in plan.connections.values() {
        let url = connection.url.fill(&values).unwrap();
        assert!(url.reveal().contains("VALUE-OF-"), "a URL without its password");
        assert!(connection.url.0.iter().any(|part| matches!(part, Part::Secret(_))));
    }
}

#[test]
fn every_preparation_ends_by_making_something_whole_or_is_recorded() {
    let plan = machine::resolve(&(databases() + &services())).unwrap();
    for unit in &plan.units {
        let Work::Prepare { job, done } = &unit.work else { continue };
        assert!(done.exists.is_some() || done.digest.is_some(), "`{}` never ends", unit.id);
        let made = match job.steps.last() {
            Some(Step::Rename { to, .. }) => Some(to),
            Some(Step::File { path, .. } | Step::Directory { path, .. }) => Some(path),
            _ => None,
        };
        if done.digest.is_none() {
            assert_eq!(made, done.exists.as_ref(), "`{}` is done before its last step", unit.id);
        }
    }
}
