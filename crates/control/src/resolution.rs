//! From the manifest's file to a plan: read, parse, observe, give ports, know secrets, resolve.
//!
//! The one place where a file of the user's, the machine and the store meet before the pure part.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base::{Diagnostic, Secret, Severity, Source};
use manifest::Manifest;
use plan::{Observed, Part, Plan, Template, Work};
use trust::{Secrets, SecretsError};

use crate::Location;
use crate::builds;
use crate::input::Planned;
use crate::machine::{self, Invoker};
use crate::ports;
use crate::progress::Failure;
use crate::sources::SourcesError;
use crate::store::{Store, StoreError};

/// A manifest larger than this is refused unread.
const LARGEST_MANIFEST: u64 = 1 << 20;

/// What is resolved, and where its results live.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The manifest's file.
    pub manifest: PathBuf,
    /// The environment.
    pub environment: String,
    /// Where its state is.
    pub location: Location,
    /// Who runs Mainstay.
    pub invoker: Invoker,
}

/// Why there is no plan, mistakes in the manifest apart.
#[derive(Debug, thiserror::Error)]
pub enum ResolutionError {
    /// The manifest cannot be read.
    #[error("cannot read `{}`", path.display())]
    Read {
        /// Where it should be.
        path: PathBuf,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// The manifest has mistakes; rendered for people.
    #[error("the manifest has mistakes")]
    Mistakes(Vec<String>),
    /// The sources of a service cannot be read.
    #[error(transparent)]
    Sources(#[from] SourcesError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The secrets cannot be read or made.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
}

/// Observes everything that a resolution needs and that is there before the first start: for
/// `check`, which starts nothing. Ports are not given.
///
/// # Errors
///
/// When the sources of a service or the secrets cannot be read.
pub fn observe(
    manifest: &Manifest,
    location: &Location,
    invoker: &Invoker,
) -> Result<Observed, ResolutionError> {
    let mut observed = machine::observe(manifest, location, invoker)?;
    observed.secrets = Secrets::open(&location.state).list(true)?.into_iter().collect();
    Ok(observed)
}

/// Resolves anew. `running` are the instances whose ports are occupied by themselves.
pub(crate) fn resolve(
    subject: &Subject,
    store: &Store,
    running: &BTreeSet<String>,
) -> Result<Planned, ResolutionError> {
    let text = read(&subject.manifest)?;
    let mistakes = |found: Vec<Diagnostic>| {
        let name = subject.manifest.file_name().unwrap_or_default().to_string_lossy();
        let source = Source { name: &name, text: &text };
        let errors = found.iter().filter(|one| one.severity == Severity::Error);
        ResolutionError::Mistakes(errors.map(|one| one.render(source, false)).collect())
    };
    let (manifest, found) = manifest::parse(&text, Some(&subject.environment));
    let Some(manifest) = manifest else { return Err(mistakes(found)) };
    let manifest = Arc::new(manifest);
    let mut observed = observe(&manifest, &subject.location, &subject.invoker)?;
    observed.ports = give_ports(&manifest, store, running, &subject.location.state)?;
    let (plan, found) = plan::resolve(&manifest, &observed);
    let Some(plan) = plan else { return Err(mistakes(found)) };
    builds::prune(&subject.location.state, &plan.units, store.told()?.as_ref());
    let secrets = secrets(&plan, &subject.location.state)?;
    let unmet = unmet(&plan, &secrets);
    Ok(Planned { plan, secrets, unmet, redo: false })
}

impl From<ResolutionError> for Failure {
    fn from(error: ResolutionError) -> Self {
        let reason = match std::error::Error::source(&error) {
            Some(cause) => format!("{error}: {cause}"),
            None => error.to_string(),
        };
        let detail = match error {
            ResolutionError::Mistakes(rendered) => {
                rendered.iter().flat_map(|one| one.lines()).map(str::to_owned).collect()
            }
            _ => Vec::new(),
        };
        Self { reason, detail }
    }
}

fn read(path: &Path) -> Result<String, ResolutionError> {
    let fail = |source| ResolutionError::Read { path: path.to_owned(), source };
    if LARGEST_MANIFEST < fs::metadata(path).map_err(fail)?.len() {
        return Err(fail(io::ErrorKind::FileTooLarge.into()));
    }
    fs::read_to_string(path).map_err(fail)
}

fn give_ports(
    manifest: &Manifest,
    store: &Store,
    running: &BTreeSet<String>,
    state: &Path,
) -> Result<BTreeMap<String, u16>, ResolutionError> {
    let recorded: BTreeMap<String, u16> = store.ports()?.into_iter().collect();
    let slots = plan::slots(manifest);
    let assigned = ports::assign(&slots, &recorded, running, state, &supervisor::port_is_free);
    for (slot, port) in &assigned {
        if recorded.get(slot) != Some(port) {
            store.set_port(slot, *port)?;
        }
    }
    Ok(assigned)
}

/// The values of every secret of the plan, made where the manifest says so.
fn secrets(plan: &Plan, state: &Path) -> Result<BTreeMap<String, Secret>, SecretsError> {
    let store = Secrets::open(state);
    let mut values = store.all()?;
    values.retain(|name, _| plan.secrets.iter().any(|secret| secret.name == *name));
    for secret in &plan.secrets {
        if let (Some(bytes), false) = (secret.generate, values.contains_key(&secret.name)) {
            let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
            values.insert(secret.name.clone(), store.generate(&secret.name, bytes)?);
        }
    }
    Ok(values)
}

/// What each service's environment lacks of what it expects.
fn unmet(plan: &Plan, secrets: &BTreeMap<String, Secret>) -> BTreeMap<String, Vec<String>> {
    let mut unmet = BTreeMap::new();
    for service in &plan.manifest.services {
        let unit = plan.units.iter().find(|unit| unit.id == *service.name);
        let Some(Work::Run { instances }) = unit.map(|unit| &unit.work) else { continue };
        let Some(instance) = instances.first() else { continue };
        let given = &instance.command.environment;
        let mut problems = Vec::new();
        for (variable, expectation) in &service.expects {
            let value = given.get(variable.as_str()).map(|value| value.fill(secrets));
            match value {
                None if expectation.optional => {}
                None => problems.push(format!("`{}` is not set", variable.value)),
                Some(Err(secret)) => problems.push(format!("the secret `{secret}` is missing")),
                Some(Ok(value)) => {
                    if let Err(problem) = expectation.check(value.reveal()) {
                        let shown = shown(given.get(variable.as_str()));
                        problems.push(format!("`{}`{shown} {problem}", variable.value));
                    }
                }
            }
        }
        if !problems.is_empty() {
            unmet.insert(service.name.to_string(), problems);
        }
    }
    unmet
}

/// The value beside the name, unless part of it is secret.
fn shown(value: Option<&Template>) -> String {
    match value.map(|value| value.0.as_slice()) {
        Some([Part::Text(text)]) => format!(" = `{text}`"),
        _ => String::new(),
    }
}
