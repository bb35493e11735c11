//! Databases and caches: the installed version, the data that exists, the units, migrations, seeds.

use std::time::Duration;

use base::{Diagnostic, Kind};
use manifest::{Database, Manifest, Role, Undo};

use super::Resolver;
use crate::databases::{self, Context};
use crate::{
    ConnectionPlan, Installed, MigrationPlan, Observed, SecretPlan, Template, UnitPlan, UserPlan,
    Work,
};

/// Environments in which seeds are run.
const SEEDED: &[&str] = &["dev", "staging"];

/// A database elsewhere must answer within this time.
const REACH_WITHIN: Duration = Duration::from_secs(30);

/// A database and everything that was decided about it.
pub(super) struct ResolvedDatabase<'a> {
    intent: &'a Database,
    kind: &'static Kind<dyn databases::Database>,
    run: Option<Run<'a>>,
    /// Units that come after it is up and before anybody uses it.
    prepared_by: Vec<String>,
}

/// One that is run here.
struct Run<'a> {
    app: &'a str,
    observed: &'a Observed,
    installed: Installed,
    user: Option<UserPlan>,
}

/// Mistakes that the engine sees in the text alone.
pub(super) fn check(manifest: &Manifest) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    for intent in &manifest.databases {
        match base::find(databases::ALL, &intent.engine) {
            Some(kind) => found.extend(kind.code.check(intent)),
            None => found.push(unknown_engine(intent)),
        }
        if intent.url.is_none() {
            // The engine has no keys of its own yet, so that every other key is a mistake.
            drop(intent.table.open(&[], &mut found));
        }
    }
    found
}

impl Run<'_> {
    /// What the engine's catalogue entry is given.
    fn context<'b>(&'b self, intent: &'b Database) -> Context<'b> {
        Context {
            app: self.app,
            intent,
            observed: self.observed,
            installed: &self.installed,
            user: self.user.clone(),
        }
    }
}

impl ResolvedDatabase<'_> {
    /// The address that services are given.
    pub(super) fn url(&self, part: Option<&str>) -> Template {
        match (&self.run, &self.intent.url) {
            (Some(run), _) => self.kind.code.url(&run.context(self.intent), part),
            (None, Some(url)) => Template::secret(url.value.clone()),
            (None, None) => Template::default(),
        }
    }

    /// The units that whoever uses it waits for.
    pub(super) fn needed(&self, part: Option<&str>) -> Vec<String> {
        let mut needed = match &self.run {
            Some(_) => self.kind.code.needed(self.intent, part),
            None => vec![self.intent.name.to_string()],
        };
        needed.extend(self.prepared_by.iter().cloned());
        needed
    }

    pub(super) fn secrets(&self) -> Vec<SecretPlan> {
        self.run.as_ref().map(|_| self.kind.code.secrets(self.intent)).unwrap_or_default()
    }
}

impl<'a> Resolver<'a> {
    pub(super) fn resolve_databases(&mut self) {
        self.found.extend(check(self.manifest));
        let manifest: &'a Manifest = self.manifest;
        for intent in &manifest.databases {
            let Some(kind) = base::find(databases::ALL, &intent.engine) else { continue };
            let run = match &intent.url {
                Some(_) => None,
                None => match self.run_here(intent, kind) {
                    Some(run) => Some(run),
                    None => continue,
                },
            };
            let mut database = ResolvedDatabase { intent, kind, run, prepared_by: Vec::new() };
            let url = database.url(None);
            self.plan.units.extend(units(&database, &url));
            self.migrations_exist(intent);
            let after = self.after(intent, &url);
            database.prepared_by = after.iter().map(|unit| unit.id.clone()).collect();
            self.plan.units.extend(after);
            self.connections(&database);
            self.databases.insert(&intent.name, database);
        }
    }

    /// The primary by the database's name, the parts as they are written in addresses.
    fn connections(&mut self, database: &ResolvedDatabase<'a>) {
        let parts = database.kind.code.parts().iter().map(|&part| Some(part));
        for part in std::iter::once(None).chain(parts) {
            let run = database.run.as_ref();
            let client =
                run.and_then(|run| database.kind.code.client(&run.context(database.intent), part));
            let name = match part {
                Some(part) => format!("{}.{part}", database.intent.name.value),
                None => database.intent.name.to_string(),
            };
            let engine = database.kind.name.to_owned();
            let url = database.url(part);
            self.plan.connections.insert(name, ConnectionPlan { engine, url, client });
        }
    }

    fn run_here(
        &mut self,
        intent: &'a Database,
        kind: &'static Kind<dyn databases::Database>,
    ) -> Option<Run<'a>> {
        let installed = self.installed(intent, kind)?.clone();
        let users = &self.observed.users;
        let account = kind.code.account().and_then(|name| users.accounts.get(name));
        let user = if users.root { account.or(users.services.as_ref()).cloned() } else { None };
        Some(Run { app: &self.manifest.app, observed: self.observed, installed, user })
    }

    /// The installed version to use: the one asked for, or that of the data, or the newest.
    fn installed(
        &mut self,
        intent: &Database,
        kind: &'static Kind<dyn databases::Database>,
    ) -> Option<&'a Installed> {
        let observed: &'a Observed = self.observed;
        let installed = observed.machine.engines.get(kind.name).map_or(&[][..], Vec::as_slice);
        let primary = kind.code.instances(intent).into_iter().next()?;
        let data = observed.data.get(&primary).and_then(|data| data.major.as_deref());
        let majors = || {
            let all: Vec<String> = installed.iter().map(|one| format!("`{}`", one.major)).collect();
            all.join(", ")
        };
        let package = kind.code.server().package;
        if installed.is_empty() {
            self.found.push(
                Diagnostic::error(
                    "engine-missing",
                    format!("`{}` is not installed on this machine", kind.name),
                )
                .at(intent.engine.span, "needed here")
                .help(format!("run `apt-get install {package}`, or your system's equivalent")),
            );
            return None;
        }
        let asked = intent.version.as_ref().map(|version| {
            let major = version.value.split('.').next().unwrap_or_default().to_owned();
            base::Spanned::new(major, version.span)
        });
        if let (Some(asked), Some(data)) = (&asked, data)
            && asked.value != data
        {
            self.found.push(
                Diagnostic::error(
                    "other-major-version",
                    format!(
                        "the data of `{}` was written by version {data}, which version {} does not read",
                        intent.name.value, asked.value
                    ),
                )
                .at(asked.span, "another major version")
                .help(format!(
                    "write `version = \"{data}\"`, or dump the data with version {data}, run \
                     `mainstay down --data` and load it again"
                )),
            );
            return None;
        }
        let wanted = asked.as_ref().map(|asked| asked.value.as_str()).or(data);
        let chosen = installed.iter().find(|one| wanted.is_none_or(|major| one.major == major));
        if chosen.is_none() {
            let wanted = wanted.unwrap_or_default();
            let reason = if asked.is_some() { "is asked for" } else { "wrote the data" };
            let span = asked.as_ref().map_or(intent.engine.span, |asked| asked.span);
            self.found.push(
                Diagnostic::error(
                    "version-not-installed",
                    format!("version {wanted} {reason}, but this machine has {}", majors()),
                )
                .at(span, "not installed")
                .help(format!("install version {wanted} of `{}`", kind.name)),
            );
        }
        chosen
    }

    /// Whether the directory of migrations is there; watched, its changes are applied.
    fn migrations_exist(&mut self, intent: &Database) {
        let Some(migrations) = &intent.migrations else { return };
        let name = crate::sources::of_migrations(&intent.name);
        if !self.observed.sources.contains_key(&name) {
            self.found.push(
                Diagnostic::error(
                    "missing-directory",
                    format!("there is no directory `{}`", migrations.path.value),
                )
                .at(migrations.path.span, "not there")
                .help("make it, or correct the path; it is relative to the manifest"),
            );
        }
        if self.manifest.watch.value {
            let directory = self.observed.paths.project.join(&migrations.path.value);
            self.plan.watched.insert(name, vec![directory]);
        }
    }

    /// Migrations and seeds.
    fn after(&self, intent: &Database, url: &Template) -> Vec<UnitPlan> {
        let mut units: Vec<UnitPlan> = Vec::new();
        let project = &self.observed.paths.project;
        if let Some(migrations) = &intent.migrations {
            units.push(UnitPlan {
                id: format!("{}/migrate", intent.name.value),
                node: intent.name.to_string(),
                activity: "migrating".to_owned(),
                needs: vec![intent.name.to_string()],
                work: Work::Migrate {
                    migration: MigrationPlan {
                        database: intent.name.to_string(),
                        url: url.clone(),
                        directory: project.join(&migrations.path.value),
                        digest: self
                            .observed
                            .sources
                            .get(&crate::sources::of_migrations(&intent.name))
                            .map(|digest| digest.sources.clone())
                            .unwrap_or_default(),
                        undo_required: migrations.undo.value == Undo::Required,
                    },
                },
            });
        }
        if let Some(seed) = &intent.seed
            && SEEDED.contains(&self.manifest.environment.as_str())
        {
            let before = units.last().map_or(&intent.name.value, |unit| &unit.id);
            units.push(UnitPlan {
                id: format!("{}/seed", intent.name.value),
                node: intent.name.to_string(),
                activity: "seeding".to_owned(),
                needs: vec![before.clone()],
                work: Work::Seed { url: url.clone(), file: project.join(&seed.value) },
            });
        }
        units
    }
}

fn units(database: &ResolvedDatabase<'_>, url: &Template) -> Vec<UnitPlan> {
    match &database.run {
        Some(run) => database.kind.code.units(&run.context(database.intent)),
        None => vec![UnitPlan {
            id: database.intent.name.to_string(),
            node: database.intent.name.to_string(),
            activity: "connecting".to_owned(),
            needs: Vec::new(),
            work: Work::Reach {
                url: url.clone(),
                by: database.kind.code.reach(),
                within: REACH_WITHIN,
            },
        }],
    }
}

fn unknown_engine(intent: &Database) -> Diagnostic {
    let known: Vec<String> = databases::ALL.iter().map(|kind| format!("`{}`", kind.name)).collect();
    let what = match intent.role {
        Role::Database => "database",
        Role::Cache => "cache",
    };
    Diagnostic::error(
        "unknown-engine",
        format!("no engine of a {what} is called `{}`", intent.engine.value),
    )
    .at(intent.engine.span, "unknown")
    .help(format!("write one of {}", known.join(", ")))
}
