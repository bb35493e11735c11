//! Services: how each is built, started, asked and stopped, and what it is given.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use base::Diagnostic;
use manifest::{
    BuildIntent, CommandLine, EnvValue, Manifest, Probe, Restart, Service, Signal, Size,
};

use super::Resolver;
use super::references::{self, instance_id, internal, listens};
use crate::builds::{self, Outcome, PORT, Recipe};
use crate::{
    CommandPlan, InstancePlan, LimitsPlan, ProbeCheck, ProbePlan, ProbesPlan, RestartPolicy,
    SourceDigest, Step, StopPlan, Template, UnitPlan, UserPlan, Work,
};

/// A service and what others need of it.
#[derive(Clone, Debug)]
pub(super) struct ResolvedService {
    /// How an instance is started, before it is given its port.
    pub(super) command: CommandPlan,
    /// What must be ready before it starts.
    pub(super) needs: Vec<String>,
}

/// Mistakes in the keys of build kinds.
pub(super) fn check(manifest: &Manifest) -> Vec<Diagnostic> {
    let mut found = Vec::new();
    let builds = manifest.services.iter().filter_map(|service| service.build.as_ref());
    for build in builds.chain(manifest.jobs.iter().filter_map(|job| job.build.as_ref())) {
        drop(recipe(build, &mut found));
    }
    found
}

/// Reads the kind's own keys.
pub(super) fn recipe(build: &BuildIntent, found: &mut Vec<Diagnostic>) -> Option<Box<dyn Recipe>> {
    let Some(kind) = base::find(builds::ALL, &build.kind) else {
        found.push(builds::unknown_kind(&build.kind));
        return None;
    };
    kind.code.read(build.table.open(kind.code.fields(), found)?)
}

impl<'a> Resolver<'a> {
    pub(super) fn resolve_services(&mut self) {
        let manifest: &'a Manifest = self.manifest;
        self.found.extend(check(manifest));
        let mut order: Vec<&Service> = manifest.services.iter().collect();
        // What is referred to comes first, so that units stand after those they need.
        order.sort_by_key(|service| references::tier(manifest, service));
        for service in order {
            if let Some(resolved) = self.resolve_service(service) {
                self.services.insert(&service.name, resolved);
            }
        }
    }

    fn resolve_service(&mut self, service: &'a Service) -> Option<ResolvedService> {
        let user = self.user_of(service)?;
        let built = match &service.build {
            Some(build) => Some(self.build(&service.name, build, self.watched(service))?),
            None => None,
        };
        let mut needs = self.needs(service);
        let mut command = match &built {
            Some(outcome) => outcome.command.clone(),
            None => CommandPlan { user: user.clone(), ..CommandPlan::default() },
        };
        if let Some(run) = &service.run {
            let directory = service.dir.as_ref().map(|dir| dir.value.as_str());
            self.replace_command(&mut command, run, directory)?;
        }
        if service.user.is_some() {
            command.user.clone_from(&user);
        }
        if let Some(outcome) = built {
            needs.extend(outcome.units.iter().map(|unit| unit.id.clone()));
            self.plan.units.extend(outcome.units);
        }
        needs.extend(self.volumes(service, command.user.as_ref()));
        let environment = self.environment(service);
        command.environment.extend(environment);
        let instances = self.instances(service, &command)?;
        self.plan.units.push(UnitPlan {
            id: service.name.to_string(),
            node: service.name.to_string(),
            activity: "starting".to_owned(),
            needs: needs.clone(),
            work: Work::Run { instances },
        });
        Some(ResolvedService { command, needs })
    }

    fn watched(&self, service: &Service) -> bool {
        service.watch.as_ref().unwrap_or(&self.manifest.watch).value
    }

    /// Who runs it: as named, else the services' user when Mainstay is root, else whoever runs it.
    fn user_of(&mut self, service: &Service) -> Option<Option<UserPlan>> {
        let users = &self.observed.users;
        let Some(name) = &service.user else {
            return Some(if users.root { users.services.clone() } else { None });
        };
        if !users.root {
            return Some(None);
        }
        let account = users.accounts.get(&name.value).cloned();
        if account.is_none() {
            self.found.push(
                Diagnostic::error(
                    "unknown-user",
                    format!("this machine has no user `{}`", name.value),
                )
                .at(name.span, "unknown")
                .help("name a user of this machine, or leave `user` out"),
            );
        }
        account.map(Some)
    }

    pub(super) fn build(
        &mut self,
        name: &str,
        build: &BuildIntent,
        watch: bool,
    ) -> Option<Outcome> {
        // The mistakes themselves were reported by `check`.
        let recipe = recipe(build, &mut Vec::new())?;
        let kind = base::find(builds::ALL, &build.kind)?;
        let programs = &self.observed.machine.programs;
        let missing = kind.code.programs().iter().find(|&&name| !programs.contains_key(name));
        if let Some(program) = missing {
            self.found.push(
                Diagnostic::error("program-missing", format!("`{program}` is not installed"))
                    .at(build.kind.span, "needs it")
                    .help(format!("install `{program}` and see that it is in `PATH`")),
            );
            return None;
        }
        let Some(sources) = self.observed.sources.get(name) else {
            self.found.push(
                Diagnostic::error(
                    "missing-directory",
                    format!("there is no directory `{}`", recipe.path()),
                )
                .at(build.kind.span, "its sources")
                .help("correct `path`; it is relative to the manifest"),
            );
            return None;
        };
        // The same sources make something else by another recipe.
        let recipe_text = format!("{recipe:?}");
        let made_of = (&sources.sources, recipe_text, &self.observed.build_environment);
        let digest = SourceDigest {
            sources: crate::digest(&made_of),
            dependencies: sources.dependencies.clone(),
        };
        let directory = self.observed.paths.project.join(recipe.path());
        let also = recipe.also().into_iter().map(|path| self.observed.paths.project.join(path));
        let watched: Vec<PathBuf> = std::iter::once(directory.clone()).chain(also).collect();
        let directory = clean(&directory);
        let observed = self.observed;
        let outcome = recipe.outcome(&builds::Context {
            service: name,
            observed,
            digest: &digest,
            watch,
            directory,
        });
        if watch {
            let reloads = outcome.reloads_itself;
            // Its own development server sees the sources; only dependencies matter to us.
            let watched = if reloads { Vec::new() } else { watched };
            self.plan.watched.insert(name.to_owned(), watched);
        }
        Some(outcome)
    }

    /// Puts the manifest's own command in place of the build kind's.
    pub(super) fn replace_command(
        &mut self,
        command: &mut CommandPlan,
        run: &base::Spanned<CommandLine>,
        directory: Option<&str>,
    ) -> Option<()> {
        let project = &self.observed.paths.project;
        let words = run.words();
        let name = run.program();
        if let Some(directory) = directory {
            command.directory = clean(&project.join(directory));
        } else if command.directory.as_os_str().is_empty() {
            command.directory.clone_from(project);
        }
        let is_built = command.program.file_name().is_some_and(|built| built == name);
        if !is_built {
            let found = self.observed.machine.programs.get(name).cloned();
            let Some(program) = found else {
                self.found.push(
                    Diagnostic::error("program-missing", format!("there is no program `{name}`"))
                        .at(run.span, "needs it")
                        .help("install it, or write its path relative to the manifest"),
                );
                return None;
            };
            command.program = program;
        }
        command.arguments = words.iter().skip(1).cloned().collect();
        Some(())
    }

    /// Units that must be ready first: databases with their migrations, services.
    fn needs(&self, service: &Service) -> Vec<String> {
        let mut needs = Vec::new();
        for (section, part) in references::addresses(service) {
            match self.databases.get(section) {
                Some(database) => needs.extend(database.needed(part)),
                None => needs.push(section.to_owned()),
            }
        }
        needs.sort();
        needs.dedup();
        needs
    }

    fn volumes(&mut self, service: &Service, user: Option<&UserPlan>) -> Vec<String> {
        let volumes = self.manifest.volumes.iter().filter(|volume| *volume.of == *service.name);
        let mut ids = Vec::new();
        for volume in volumes {
            let path = volume_directory(&self.observed.paths.state, &volume.name);
            let id = format!("{}/volume-{}", service.name.value, volume.name.value);
            let step = Step::Directory { path: path.clone(), mode: 0o700, owner: user.cloned() };
            self.plan.units.push(UnitPlan {
                id: id.clone(),
                node: service.name.to_string(),
                activity: "preparing".to_owned(),
                needs: Vec::new(),
                work: Work::Prepare {
                    job: crate::JobPlan {
                        id: id.clone(),
                        service: service.name.to_string(),
                        steps: vec![step],
                        deadline: Duration::from_secs(60),
                    },
                    done: crate::Done { exists: Some(path), digest: None },
                },
            });
            ids.push(id);
        }
        ids
    }

    /// Everything a service is told, but for the port of each instance.
    pub(super) fn environment(&self, service: &Service) -> BTreeMap<String, Template> {
        let mut all = BTreeMap::new();
        let mut put = |name: &str, value: Template| all.insert(name.to_owned(), value);
        put("MAINSTAY_ENV", Template::text(&self.manifest.environment));
        if let Some(pool) = &service.pool {
            put("DATABASE_POOL", Template::text(pool.value.to_string()));
        }
        if !self.manifest.flags.is_empty() {
            let path = self.observed.paths.state.join("flags.json");
            put("MAINSTAY_FLAGS_FILE", Template::text(path.to_string_lossy()));
            for flag in &self.manifest.flags {
                put(&flag_variable(&flag.name), Template::text(flag.value.to_string()));
            }
        }
        for volume in self.manifest.volumes.iter().filter(|volume| *volume.of == *service.name) {
            let path = volume_directory(&self.observed.paths.state, &volume.name);
            let given = volume.variable.as_ref().map(|variable| variable.value.clone());
            let variable = given.unwrap_or_else(|| format!("{}_DIR", upper(&volume.name)));
            put(&variable, Template::text(path.to_string_lossy()));
        }
        for (name, value) in self.variables(&service.env, &service.secrets) {
            put(&name, value);
        }
        all
    }

    /// The variables that the user wrote.
    pub(super) fn variables(
        &self,
        env: &[(base::Spanned<String>, base::Spanned<EnvValue>)],
        secrets: &[base::Spanned<String>],
    ) -> BTreeMap<String, Template> {
        let written = env.iter().map(|(name, value)| (name.to_string(), self.value(value)));
        let secrets =
            secrets.iter().map(|name| (name.to_string(), Template::secret(name.as_str())));
        secrets.chain(written).collect()
    }

    fn value(&self, value: &EnvValue) -> Template {
        match value {
            EnvValue::Text(text) => Template::text(text),
            EnvValue::Secret(name) => Template::secret(name),
            EnvValue::Address { section, part } => match self.databases.get(section.as_str()) {
                Some(database) => database.url(part.as_deref()),
                None => {
                    let port = self.port(&internal(section));
                    Template::text(format!("http://127.0.0.1:{port}"))
                }
            },
        }
    }

    pub(super) fn port(&self, slot: &str) -> u16 {
        self.observed.ports.get(slot).copied().unwrap_or_default()
    }

    fn instances(&mut self, service: &Service, command: &CommandPlan) -> Option<Vec<InstancePlan>> {
        let tier = references::tier(self.manifest, service);
        let listens = listens(self.manifest, service);
        let mut instances = Vec::new();
        for number in 1..=service.scale.min.value {
            let id = instance_id(&service.name, number);
            let mut command = command.clone();
            let mut address = None;
            if listens {
                let port = self.port(&id);
                address = Some(([127, 0, 0, 1], port).into());
                let mut put = |name: &str, value: String| {
                    command.environment.insert(name.to_owned(), Template::text(value))
                };
                put("PORT", port.to_string());
                put("HOST", "127.0.0.1".to_owned());
                for argument in &mut command.arguments {
                    *argument = argument.replace(PORT, &port.to_string());
                }
            }
            let probes = self.probes(service, &command)?;
            instances.push(InstancePlan {
                id,
                service: service.name.to_string(),
                command,
                address,
                probes,
                limits: limits(&service.size),
                restart: match service.restart.value {
                    Restart::Always => RestartPolicy::Always,
                    Restart::OnFailure => RestartPolicy::OnFailure,
                    Restart::Never => RestartPolicy::Never,
                },
                stop: StopPlan { signal: number_of(service.stop.value), deadline: *service.drain },
                tier,
            });
        }
        Some(instances)
    }

    fn probes(&mut self, service: &Service, command: &CommandPlan) -> Option<ProbesPlan> {
        let mut one = |probe: &Option<base::Spanned<Probe>>| -> Option<Option<ProbePlan>> {
            let Some(probe) = probe else { return Some(None) };
            let check = match &probe.check {
                manifest::ProbeCheck::Http { path } => ProbeCheck::Http { path: path.clone() },
                manifest::ProbeCheck::Tcp => ProbeCheck::Tcp,
                manifest::ProbeCheck::Command(line) => {
                    let line = base::Spanned::new(line.clone(), probe.span);
                    let mut command = command.clone();
                    self.replace_command(&mut command, &line, None)?;
                    ProbeCheck::Command { command }
                }
            };
            Some(Some(ProbePlan {
                check,
                every: probe.every,
                timeout: probe.timeout,
                within: probe.within.unwrap_or(manifest::probe::DEFAULT_WITHIN),
                failures: probe.failures,
            }))
        };
        Some(ProbesPlan {
            startup: one(&service.probe.startup)?,
            readiness: one(&service.probe.readiness)?,
            liveness: one(&service.probe.liveness)?,
        })
    }
}

/// The variable that hands a flag over: `FLAG_NEW_MATCHER`.
fn flag_variable(name: &str) -> String {
    format!("FLAG_{}", upper(name))
}

fn upper(name: &str) -> String {
    name.to_uppercase().replace('-', "_")
}

fn volume_directory(state: &std::path::Path, name: &str) -> PathBuf {
    state.join("data").join(format!("volume-{name}"))
}

pub(super) fn limits(size: &Size) -> LimitsPlan {
    LimitsPlan {
        cpu_millis: size.cpu.map(|cpu| cpu.value),
        memory: size.memory.map(|memory| memory.value),
    }
}

/// Numbers of Linux on every architecture that Rust supports there but MIPS and SPARC.
fn number_of(signal: Signal) -> i32 {
    match signal {
        Signal::Hup => 1,
        Signal::Int => 2,
        Signal::Quit => 3,
        Signal::Usr1 => 10,
        Signal::Usr2 => 12,
        Signal::Term => 15,
    }
}

/// Without `.` components, so that messages read as people write paths.
fn clean(path: &std::path::Path) -> PathBuf {
    path.components().collect()
}
