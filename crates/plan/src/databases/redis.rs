//! Redis, as a cache or with its append-only file as a store.
//!
//! The password goes into a configuration file that only its user can read. The file's name holds
//! a digest of its content, so that a changed setting changes the instance's command, which is what
//! makes the supervisor start it anew.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base::{Bytes, Diagnostic, Kind};
use manifest::{Eviction, Persist};

use super::{Context, Database, Marker, Program, password, unit_of_instance};
use crate::{
    ClientPlan, CommandPlan, Done, InstancePlan, JobPlan, LimitsPlan, ProbeCheck, ProbePlan,
    ProbesPlan, Reach, RestartPolicy, SecretPlan, Step, StopPlan, Template, UnitPlan, Work, digest,
};

pub(super) const KIND: Kind<dyn Database> =
    Kind { name: "redis", about: "Redis, in memory or with an append-only file", code: &Redis };

/// What Redis may hold when the manifest does not say.
const DEFAULT_MEMORY: Bytes = Bytes(128 << 20);

const SIGTERM: i32 = 15;

#[derive(Debug)]
struct Redis;

impl Database for Redis {
    fn server(&self) -> Program {
        Program { name: "redis-server", directories: &["/usr/local/bin"], package: "redis-server" }
    }

    fn companions(&self) -> &'static [&'static str] {
        &["redis-cli"]
    }

    fn major<'a>(&self, version: &'a str) -> &'a str {
        // "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64 build=..."
        let number = version.split_whitespace().find_map(|word| word.strip_prefix("v="));
        number.and_then(|number| number.split('.').next()).unwrap_or_default()
    }

    fn major_of(&self, _directory: &Path) -> Option<String> {
        None
    }

    fn marker(&self) -> Option<Marker> {
        None
    }

    fn account(&self) -> Option<&'static str> {
        Some("redis")
    }

    fn check(&self, intent: &manifest::Database) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        if 0 < intent.replicas.value {
            found.push(
                Diagnostic::error("replicas-not-here-yet", "replicas of Redis are not here yet")
                    .at(intent.replicas.span, "only 0 for now")
                    .help("remove `replicas`"),
            );
        }
        if let Some(seed) = &intent.seed {
            found.push(
                Diagnostic::error("meaningless-key", "Redis has no seeds")
                    .at(seed.span, "means nothing here")
                    .help("remove `seed`"),
            );
        }
        if let Some(migrations) = &intent.migrations {
            found.push(
                Diagnostic::error("meaningless-key", "Redis has no migrations")
                    .at(migrations.path.span, "means nothing here")
                    .help("remove `migrations`"),
            );
        }
        found
    }

    fn instances(&self, intent: &manifest::Database) -> Vec<String> {
        vec![instance(&intent.name)]
    }

    fn units(&self, context: &Context<'_>) -> Vec<UnitPlan> {
        let name = context.name();
        let configuration = configuration(context);
        let file = configuration_file(context, &configuration);
        let prepare = prepare(context, configuration, &file);
        let needs = vec![prepare.id.clone()];
        vec![prepare, unit_of_instance(name, name, needs, server(context, &file))]
    }

    fn needed(&self, intent: &manifest::Database, _part: Option<&str>) -> Vec<String> {
        vec![intent.name.to_string()]
    }

    fn secrets(&self, intent: &manifest::Database) -> Vec<SecretPlan> {
        vec![SecretPlan { name: password(&intent.name, "default"), generate: Some(24) }]
    }

    fn url(&self, context: &Context<'_>, _part: Option<&str>) -> Template {
        let port = context.port(&instance(context.name()));
        Template::text("redis://:")
            .and_secret(password(context.name(), "default"))
            .and_text(format!("@127.0.0.1:{port}/0"))
    }

    fn reach(&self) -> Reach {
        Reach::Tcp
    }

    fn parts(&self) -> &'static [&'static str] {
        &[]
    }

    fn client(&self, context: &Context<'_>, _part: Option<&str>) -> Option<ClientPlan> {
        Some(ClientPlan {
            program: context.program("redis-cli"),
            arguments: cli_arguments(context),
            environment: cli_environment(context),
        })
    }
}

fn instance(name: &str) -> String {
    format!("{name}-primary")
}

fn configuration(context: &Context<'_>) -> Template {
    let intent = context.intent;
    let instance = instance(context.name());
    let memory = intent.memory.as_ref().map_or(DEFAULT_MEMORY, |memory| memory.value);
    let persist = intent.persist.map_or(Persist::None, |persist| persist.value);
    let eviction = match (intent.eviction.map(|eviction| eviction.value), persist) {
        // A store must refuse writes when it is full; a cache makes room.
        (None, Persist::None) | (Some(Eviction::Lru), _) => "allkeys-lru",
        (None, Persist::Aof | Persist::Rdb) | (Some(Eviction::Refuse), _) => "noeviction",
        (Some(Eviction::Lfu), _) => "allkeys-lfu",
        (Some(Eviction::VolatileLru), _) => "volatile-lru",
        (Some(Eviction::VolatileTtl), _) => "volatile-ttl",
    };
    let (append, save) = match persist {
        Persist::Aof => ("yes", "\"\""),
        Persist::Rdb => ("no", "900 1 300 100 60 10000"),
        Persist::None => ("no", "\"\""),
    };
    Template::text(format!(
        "bind 127.0.0.1\nport {}\ndir \"{}\"\ndaemonize no\nmaxmemory {}\n\
         maxmemory-policy {eviction}\nappendonly {append}\nappendfsync everysec\nsave {save}\n\
         requirepass ",
        context.port(&instance),
        context.data(&instance).display(),
        memory.0,
    ))
    .and_secret(password(context.name(), "default"))
    .and_text("\n")
}

fn configuration_file(context: &Context<'_>, configuration: &Template) -> PathBuf {
    let name = format!("redis-{}.conf", digest(configuration));
    context.data(&instance(context.name())).with_file_name(name)
}

fn prepare(context: &Context<'_>, configuration: Template, file: &Path) -> UnitPlan {
    let name = context.name();
    let id = format!("{name}/configure");
    let data = context.data(&instance(name));
    let parent = data.parent().map(PathBuf::from).unwrap_or_default();
    let owner = || context.user.clone();
    let steps = vec![
        Step::Directory { path: parent, mode: 0o700, owner: owner() },
        Step::Directory { path: data, mode: 0o700, owner: owner() },
        Step::File { path: file.to_owned(), content: configuration, mode: 0o600, owner: owner() },
    ];
    UnitPlan {
        id: id.clone(),
        node: name.to_owned(),
        activity: "preparing".to_owned(),
        needs: Vec::new(),
        work: Work::Prepare {
            job: JobPlan { id, service: name.to_owned(), steps, deadline: Duration::from_secs(60) },
            done: Done { exists: Some(file.to_owned()), digest: None },
        },
    }
}

fn server(context: &Context<'_>, file: &Path) -> InstancePlan {
    let id = instance(context.name());
    let port = context.port(&id);
    let probe = |every, within, failures| ProbePlan {
        check: ProbeCheck::Command { command: ping(context) },
        every: Duration::from_secs(every),
        timeout: Duration::from_secs(2),
        within: Duration::from_secs(within),
        failures,
    };
    InstancePlan {
        service: context.name().to_owned(),
        command: CommandPlan {
            program: context.program("redis-server"),
            arguments: vec![file.to_string_lossy().into_owned()],
            environment: BTreeMap::new(),
            directory: PathBuf::from("/"),
            user: context.user.clone(),
        },
        address: Some(([127, 0, 0, 1], port).into()),
        // Loading a large append-only file takes long; until then it answers an error.
        probes: ProbesPlan {
            startup: Some(probe(5, 600, 1)),
            readiness: Some(probe(5, 0, 2)),
            liveness: None,
        },
        limits: LimitsPlan { cpu_millis: None, memory: None },
        restart: RestartPolicy::Always,
        stop: StopPlan { signal: SIGTERM, deadline: Duration::from_secs(30) },
        tier: 0,
        id,
    }
}

/// Asks for the answer itself: `redis-cli` exits with 0 also when it is told that data is still
/// being loaded, and its option that changes that is too new for some distributions.
fn ping(context: &Context<'_>) -> CommandPlan {
    let ask = "test \"$(\"$0\" \"$@\" ping 2>/dev/null)\" = PONG".to_owned();
    let client = context.program("redis-cli").to_string_lossy().into_owned();
    let mut arguments = vec!["-c".to_owned(), ask, client];
    arguments.extend(cli_arguments(context));
    CommandPlan {
        program: PathBuf::from("/bin/sh"),
        arguments,
        environment: cli_environment(context),
        directory: PathBuf::from("/"),
        user: context.user.clone(),
    }
}

fn cli_arguments(context: &Context<'_>) -> Vec<String> {
    let port = context.port(&instance(context.name())).to_string();
    let all = ["-h", "127.0.0.1", "-p", &port, "--no-auth-warning"];
    all.iter().map(|&argument| argument.to_owned()).collect()
}

fn cli_environment(context: &Context<'_>) -> BTreeMap<String, Template> {
    let name = password(context.name(), "default");
    BTreeMap::from([("REDISCLI_AUTH".to_owned(), Template::secret(name))])
}
