//! PostgreSQL: a primary and streaming replicas.
//!
//! Roles and the database are made by the server's single-user mode, before it ever listens: there
//! is no moment at which a password-less server accepts connections, on a socket or otherwise.
//! Everything is prepared beside the data directory and renamed into place, so that a crash leaves
//! either nothing or a whole cluster. Servers listen on loopback TCP only; Unix sockets would add a
//! second way in and a path whose length is limited.
//!
//! Settings go on the command line rather than into `postgresql.conf`: the plan is then all there
//! is to know, and a changed setting restarts the instance like any other change of its plan.
//! Passwords never do: services get them in their URL, replicas read a password file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use base::{Diagnostic, Kind};

use super::{Context, Database, Marker, Program, password, unit_of_instance};
use crate::{
    ClientPlan, CommandPlan, Done, InstancePlan, JobPlan, LimitsPlan, ProbeCheck, ProbePlan,
    ProbesPlan, Reach, RestartPolicy, SecretPlan, Step, StopPlan, Template, UnitPlan, Work,
};

pub(super) const KIND: Kind<dyn Database> =
    Kind { name: "postgres", about: "PostgreSQL, with streaming replicas", code: &Postgres };

/// What PostgreSQL is given when the manifest does not say.
const DEFAULT_MEMORY: u64 = 256 << 20;

/// Connections beyond the declared ones: superuser, migrations, observation.
const RESERVED_CONNECTIONS: u32 = 8;

/// More than any number of replicas and base backups at once.
const WAL_SENDERS: u32 = 16;

/// PostgreSQL's fast shutdown: roll back, disconnect, checkpoint, exit.
const SIGINT: i32 = 2;

const MIB: u64 = 1 << 20;

#[derive(Debug)]
struct Postgres;

impl Database for Postgres {
    fn server(&self) -> Program {
        Program {
            name: "postgres",
            directories: &["/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/local/pgsql/bin"],
            package: "postgresql",
        }
    }

    fn companions(&self) -> &'static [&'static str] {
        &["initdb", "pg_basebackup", "pg_isready", "psql"]
    }

    fn major<'a>(&self, version: &'a str) -> &'a str {
        // "postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)"
        let number = version.split_whitespace().find(|word| word.starts_with(char::is_numeric));
        number.and_then(|number| number.split('.').next()).unwrap_or_default()
    }

    fn major_of(&self, directory: &Path) -> Option<String> {
        // `/usr/lib/postgresql/15/bin` of Debian, `/usr/pgsql-15/bin` of the project's own RPMs.
        let parent = directory.parent()?;
        let name = parent.file_name()?.to_str()?;
        let is_debian = parent.parent().is_some_and(|above| above.ends_with("postgresql"));
        let major = if is_debian { name } else { name.strip_prefix("pgsql-")? };
        let is_number = !major.is_empty() && major.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| major.to_owned())
    }

    fn marker(&self) -> Option<Marker> {
        Some(Marker { file: "PG_VERSION" })
    }

    fn account(&self) -> Option<&'static str> {
        Some("postgres")
    }

    fn check(&self, intent: &manifest::Database) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        let memory = intent.memory.as_ref();
        if let Some(memory) = memory.filter(|memory| memory.value.0 < 64 * MIB) {
            found.push(
                Diagnostic::error(
                    "too-little-memory",
                    "PostgreSQL does not run in so little memory",
                )
                .at(memory.span, "less than 64Mi")
                .help("give it at least `64Mi`"),
            );
        }
        for (name, what) in [(&intent.user, "role"), (&intent.database, "database")] {
            if let Some(name) = name.as_ref().filter(|name| !is_identifier(name)) {
                found.push(
                    Diagnostic::error(
                        "not-an-identifier",
                        format!("`{}` cannot be the name of a {what}", name.value),
                    )
                    .at(name.span, "")
                    .help("write small letters, digits and `_`; `postgres` and `pg_…` are taken"),
                );
            }
        }
        if let Some(persist) = &intent.persist {
            found.push(
                Diagnostic::error("meaningless-key", "PostgreSQL always persists")
                    .at(persist.span, "means nothing here")
                    .help("remove `persist`; it is for caches"),
            );
        }
        found
    }

    fn instances(&self, intent: &manifest::Database) -> Vec<String> {
        let replicas = (1..=*intent.replicas).map(|number| replica(&intent.name, number));
        std::iter::once(primary(&intent.name)).chain(replicas).collect()
    }

    fn units(&self, context: &Context<'_>) -> Vec<UnitPlan> {
        let name = context.name();
        let mut units = vec![
            self.init(context),
            unit_of_instance(name, name, vec![format!("{name}/init")], server(context, None)),
        ];
        for number in 1..=*context.intent.replicas {
            let id = replica(name, number);
            let clone = format!("{id}/clone");
            units.push(self.clone_primary(context, &id, &clone));
            units.push(unit_of_instance(&id, name, vec![clone], server(context, Some(&id))));
        }
        units
    }

    fn needed(&self, intent: &manifest::Database, part: Option<&str>) -> Vec<String> {
        match part {
            Some(_) if 0 < *intent.replicas => vec![replica(&intent.name, 1)],
            _ => vec![intent.name.to_string()],
        }
    }

    fn secrets(&self, intent: &manifest::Database) -> Vec<SecretPlan> {
        ["superuser", "owner", "replicator"]
            .into_iter()
            .map(|role| SecretPlan { name: password(&intent.name, role), generate: Some(24) })
            .collect()
    }

    fn url(&self, context: &Context<'_>, part: Option<&str>) -> Template {
        let name = context.name();
        let instance = instance_of(context, part);
        let owner = owner(context);
        Template::text(format!("postgres://{owner}:"))
            .and_secret(password(name, "owner"))
            .and_text(format!("@127.0.0.1:{}/{}", context.port(&instance), database(context)))
    }

    fn reach(&self) -> Reach {
        Reach::Postgres
    }

    fn parts(&self) -> &'static [&'static str] {
        &["replica"]
    }

    fn client(&self, context: &Context<'_>, part: Option<&str>) -> Option<ClientPlan> {
        let owner = owner(context);
        let port = context.port(&instance_of(context, part)).to_string();
        let database = database(context);
        let arguments = ["-h", "127.0.0.1", "-p", &port, "-U", &owner, "-d", &database];
        Some(ClientPlan {
            program: context.program("psql"),
            arguments: arguments.map(str::to_owned).to_vec(),
            environment: BTreeMap::from([(
                "PGPASSWORD".to_owned(),
                Template::secret(password(context.name(), "owner")),
            )]),
        })
    }
}

impl Postgres {
    fn init(&self, context: &Context<'_>) -> UnitPlan {
        let name = context.name();
        let instance = primary(name);
        let data = context.data(&instance);
        let fresh = data.with_extension("new");
        let id = format!("{name}/init");
        let initdb = command(
            context,
            "initdb",
            &["--username=postgres", "--encoding=UTF8", "--locale=C.UTF-8", "--auth=reject"],
            &[("-D", &fresh)],
        );
        let single = command(
            context,
            "postgres",
            &[
                "--single",
                "-c",
                "exit_on_error=on",
                "-c",
                "log_min_error_statement=panic",
                "-c",
                "password_encryption=scram-sha-256",
            ],
            &[("-D", &fresh)],
        );
        let mut steps = clean_directory(context, &instance);
        steps.push(run(initdb, None));
        steps.push(run(with_argument(single, "postgres"), Some(provision(context))));
        steps.push(Step::File {
            path: fresh.join("pg_hba.conf"),
            content: Template::text(HBA),
            mode: 0o600,
            owner: context.user.clone(),
        });
        steps.push(Step::Rename { from: fresh, to: data.clone() });
        prepare(&id, name, Vec::new(), data, steps)
    }

    fn clone_primary(&self, context: &Context<'_>, instance: &str, id: &str) -> UnitPlan {
        let name = context.name();
        let data = context.data(instance);
        let fresh = data.with_extension("new");
        let passwords = password_file(context, instance);
        let port = context.port(&primary(name)).to_string();
        let arguments =
            ["-h", "127.0.0.1", "-p", &port, "-U", "replicator", "-X", "stream", "-c", "fast"];
        let mut backup = command(context, "pg_basebackup", &arguments, &[("-D", &fresh)]);
        backup.arguments.push("--no-password".to_owned());
        let pass = Template::text(passwords.to_string_lossy());
        backup.environment.insert("PGPASSFILE".to_owned(), pass);
        let mut steps = clean_directory(context, instance);
        steps.push(Step::File {
            path: passwords,
            content: Template::text("127.0.0.1:*:*:replicator:")
                .and_secret(password(name, "replicator"))
                .and_text("\n"),
            mode: 0o600,
            owner: context.user.clone(),
        });
        steps.push(run(backup, None));
        steps.push(Step::File {
            path: fresh.join("standby.signal"),
            content: Template::default(),
            mode: 0o600,
            owner: context.user.clone(),
        });
        steps.push(Step::Rename { from: fresh, to: data.clone() });
        prepare(id, name, vec![name.to_owned()], data, steps)
    }
}

/// Who may connect how; the file has one meaning whatever the version.
const HBA: &str = "\
# Written by Mainstay when the cluster was made.
host all         all        127.0.0.1/32 scram-sha-256
host replication replicator 127.0.0.1/32 scram-sha-256
";

fn primary(name: &str) -> String {
    format!("{name}-primary")
}

fn replica(name: &str, number: u32) -> String {
    format!("{name}-replica-{number}")
}

/// Whether a name needs no quoting anywhere and is not one of PostgreSQL's or ours.
fn is_identifier(name: &str) -> bool {
    let taken = ["postgres", "replicator", "template0", "template1", "public"];
    let simple = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
    (1..=63).contains(&name.len())
        && name.bytes().all(simple)
        && !name.starts_with(|first: char| first.is_ascii_digit())
        && !name.starts_with("pg_")
        && !taken.contains(&name)
}

/// The application's name as an identifier.
fn default_name(context: &Context<'_>) -> String {
    let name = context.app.replace('-', "_");
    if is_identifier(&name) { name } else { format!("app_{name}") }
}

/// The role that owns the database.
fn owner(context: &Context<'_>) -> String {
    let chosen = context.intent.user.as_ref().map(|user| user.value.clone());
    chosen.unwrap_or_else(|| default_name(context))
}

fn database(context: &Context<'_>) -> String {
    let chosen = context.intent.database.as_ref().map(|database| database.value.clone());
    chosen.unwrap_or_else(|| default_name(context))
}

/// The instance behind an address; without replicas the primary answers for them.
fn instance_of(context: &Context<'_>, part: Option<&str>) -> String {
    match part {
        Some(_) if 0 < *context.intent.replicas => replica(context.name(), 1),
        _ => primary(context.name()),
    }
}

fn password_file(context: &Context<'_>, instance: &str) -> PathBuf {
    context.data(instance).with_file_name("passwords")
}

/// SQL for single-user mode, which ends a statement at each line's end.
fn provision(context: &Context<'_>) -> Template {
    let (owner, database) = (owner(context), database(context));
    let secret = |role| password(context.name(), role);
    Template::text("ALTER ROLE postgres PASSWORD '")
        .and_secret(secret("superuser"))
        .and_text(format!("'\nCREATE ROLE \"{owner}\" LOGIN PASSWORD '"))
        .and_secret(secret("owner"))
        .and_text("'\nCREATE ROLE replicator LOGIN REPLICATION PASSWORD '")
        .and_secret(secret("replicator"))
        .and_text(format!("'\nCREATE DATABASE \"{database}\" OWNER \"{owner}\"\n"))
}

fn server(context: &Context<'_>, standby: Option<&str>) -> InstancePlan {
    let name = context.name();
    let id = standby.map_or_else(|| primary(name), str::to_owned);
    let port = context.port(&id);
    let mut command = command(context, "postgres", &[], &[("-D", &context.data(&id))]);
    let mut settings = settings(context);
    settings.push(("port", port.to_string()));
    settings.push(("cluster_name", id.clone()));
    if standby.is_some() {
        let passwords = password_file(context, &id);
        let primary_port = context.port(&primary(name));
        settings.push((
            "primary_conninfo",
            format!(
                "host=127.0.0.1 port={primary_port} user=replicator application_name={id} \
                 passfile='{}'",
                passwords.to_string_lossy().replace('\\', "\\\\").replace('\'', "\\'")
            ),
        ));
    }
    for (key, value) in settings {
        command.arguments.extend(["-c".to_owned(), format!("{key}={value}")]);
    }
    InstancePlan {
        id,
        service: name.to_owned(),
        command,
        address: Some(([127, 0, 0, 1], port).into()),
        probes: probes(context, port),
        limits: LimitsPlan::default(),
        restart: RestartPolicy::Always,
        stop: StopPlan { signal: SIGINT, deadline: Duration::from_secs(60) },
        tier: 0,
    }
}

/// Shares of memory as PostgreSQL's own documentation advises ("Resource Consumption"): a quarter
/// for shared buffers, three quarters as the planner's idea of the cache.
fn settings(context: &Context<'_>) -> Vec<(&'static str, String)> {
    let memory = context.memory().map_or(DEFAULT_MEMORY, |memory| memory.0);
    let connections = *context.intent.connections + RESERVED_CONNECTIONS;
    let work = (memory / 4 / u64::from(connections)).max(MIB);
    let mib = |bytes: u64| format!("{}MB", (bytes / MIB).max(1));
    let text = str::to_owned;
    vec![
        ("listen_addresses", text("127.0.0.1")),
        ("unix_socket_directories", String::new()),
        ("max_connections", connections.to_string()),
        ("shared_buffers", mib(memory / 4)),
        ("effective_cache_size", mib(memory / 4 * 3)),
        ("work_mem", mib(work)),
        ("maintenance_work_mem", mib(memory / 16)),
        ("wal_level", text("replica")),
        // A standby refuses to start with fewer than its primary had.
        ("max_wal_senders", WAL_SENDERS.to_string()),
        ("wal_keep_size", text("256MB")),
        ("hot_standby", text("on")),
        ("logging_collector", text("off")),
        ("log_line_prefix", text("[%p] ")),
        ("password_encryption", text("scram-sha-256")),
    ]
}

fn probes(context: &Context<'_>, port: u16) -> ProbesPlan {
    let port = port.to_string();
    let arguments = ["-q", "-h", "127.0.0.1", "-p", &port, "-d", "postgres", "-t", "2"];
    let probe = |every, within, failures| ProbePlan {
        check: ProbeCheck::Command { command: command(context, "pg_isready", &arguments, &[]) },
        every: Duration::from_secs(every),
        timeout: Duration::from_secs(3),
        within: Duration::from_secs(within),
        failures,
    };
    // Recovery after a crash replays the log, which may take long; only then is it given up.
    ProbesPlan { startup: Some(probe(5, 600, 1)), readiness: Some(probe(5, 0, 2)), liveness: None }
}

fn command(
    context: &Context<'_>,
    program: &str,
    arguments: &[&str],
    paths: &[(&str, &PathBuf)],
) -> CommandPlan {
    let mut all: Vec<String> = Vec::new();
    // Single-user mode must be asked for by the very first argument.
    all.extend(arguments.iter().map(|&argument| argument.to_owned()));
    for (flag, path) in paths {
        all.extend([(*flag).to_owned(), path.to_string_lossy().into_owned()]);
    }
    CommandPlan {
        program: context.program(program),
        arguments: all,
        environment: BTreeMap::new(),
        directory: PathBuf::from("/"),
        user: context.user.clone(),
    }
}

fn with_argument(mut command: CommandPlan, argument: &str) -> CommandPlan {
    command.arguments.push(argument.to_owned());
    command
}

/// An empty place beside the data directory, whatever an interrupted attempt left there.
fn clean_directory(context: &Context<'_>, instance: &str) -> Vec<Step> {
    let data = context.data(instance);
    let parent = data.parent().map(PathBuf::from).unwrap_or_default();
    vec![
        Step::Directory { path: parent, mode: 0o700, owner: context.user.clone() },
        Step::Remove { path: data.with_extension("new") },
    ]
}

fn run(command: CommandPlan, input: Option<Template>) -> Step {
    Step::Run { command, input, limits: LimitsPlan::default() }
}

fn prepare(id: &str, node: &str, needs: Vec<String>, data: PathBuf, steps: Vec<Step>) -> UnitPlan {
    UnitPlan {
        id: id.to_owned(),
        node: node.to_owned(),
        activity: "preparing".to_owned(),
        needs,
        work: Work::Prepare {
            job: JobPlan {
                id: id.to_owned(),
                service: node.to_owned(),
                steps,
                deadline: Duration::from_secs(600),
            },
            done: Done { exists: Some(data), digest: None },
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_name_their_directory_after_the_major_version() {
        let check = |path: &str, major: Option<&str>| {
            assert_eq!(Postgres.major_of(Path::new(path)).as_deref(), major, "{path}");
        };
        check("/usr/lib/postgresql/15/bin", Some("15"));
        check("/usr/pgsql-16/bin", Some("16"));
        check("/usr/local/pgsql/bin", None);
        check("/opt/15/bin", None);
    }
}
