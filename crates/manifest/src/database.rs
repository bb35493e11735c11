//! `[database.NAME]` and `[cache.NAME]`: what keeps data, and how it is kept safe.
//!
//! Both are one type: they differ in what their engines can do, which this crate does not know.
//! Keys that only an engine understands stay in `table` until its parser reads them.

use std::time::Duration;

use base::{Bytes, Diagnostic, Span, Spanned};

use crate::cursor::{Cursor, KindTable};
use crate::field::{Field, Section, Shape, Syntax};

/// A database or a cache.
#[derive(Clone, Debug)]
pub struct Database {
    /// As in the header.
    pub name: Spanned<String>,
    /// Which of the two sections it stands in.
    pub role: Role,
    /// `postgres`, `redis`, …
    pub engine: Spanned<String>,
    /// The version it must have; whatever is installed when absent.
    pub version: Option<Spanned<String>>,
    /// Streaming copies that answer reads.
    pub replicas: Spanned<u32>,
    /// Connections it allows.
    pub connections: Spanned<u32>,
    /// Memory it may use.
    pub memory: Option<Spanned<Bytes>>,
    /// How a cache survives a restart.
    pub persist: Option<Spanned<Persist>>,
    /// What a full cache does.
    pub eviction: Option<Spanned<Eviction>>,
    /// The fixed port; else one is chosen.
    pub port: Option<Spanned<u16>>,
    /// The secret that holds the URL of an external one, which is never started.
    pub url: Option<Spanned<String>>,
    /// Changes to its schema.
    pub migrations: Option<Migrations>,
    /// Copies of its data.
    pub backup: Option<Backup>,
    /// A file that fills it, in dev and staging only.
    pub seed: Option<Spanned<String>>,
    /// What recovery must achieve.
    pub recover: Option<Recover>,
    /// Disk it is expected to need.
    pub size: Option<Spanned<Bytes>>,
    /// The name of the database inside of the engine; the application's when absent.
    pub database: Option<Spanned<String>>,
    /// The role that services connect as; the application's name when absent.
    pub user: Option<Spanned<String>>,
    /// The whole section, for the engine's own keys.
    pub table: KindTable,
    /// Where the section is named.
    pub span: Span,
}

/// Which section a database stands in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Role {
    /// `[database.NAME]`.
    Database,
    /// `[cache.NAME]`.
    Cache,
}

impl Role {
    /// The first word of the section's header.
    #[must_use]
    pub const fn section(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::Cache => "cache",
        }
    }
}

/// How a cache survives a restart.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Persist {
    /// Every change is logged.
    Aof,
    /// Snapshots now and then.
    Rdb,
    /// It starts empty.
    None,
}

/// What a full cache does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Eviction {
    /// Refuses writes.
    Refuse,
    /// Removes what was not used for the longest time.
    Lru,
    /// Removes what is used least.
    Lfu,
    /// Removes, of what has an expiry, what was not used for the longest time.
    VolatileLru,
    /// Removes what expires soonest.
    VolatileTtl,
}

/// Changes to a schema.
#[derive(Clone, Debug, PartialEq)]
pub struct Migrations {
    /// The directory of `NNN_name.up.sql` and `NNN_name.down.sql`.
    pub path: Spanned<String>,
    /// Whether each must be undoable.
    pub undo: Spanned<Undo>,
}

/// Whether migrations must be undoable.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Undo {
    /// One without its `.down.sql` is a mistake.
    Required,
    /// One may be without.
    Optional,
}

/// Copies of the data.
#[derive(Clone, Debug, PartialEq)]
pub struct Backup {
    /// The time between base backups.
    pub base: Spanned<Duration>,
    /// How long one can go back.
    pub keep: Spanned<Duration>,
    /// Where they go.
    pub to: Spanned<Repository>,
}

/// Where backups go.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Repository {
    /// The secret that holds its URL.
    Secret(String),
    /// A directory below the manifest.
    Directory(String),
}

/// What recovery must achieve.
#[derive(Clone, Debug, PartialEq)]
pub struct Recover {
    /// How much may be lost.
    pub rpo: Option<Spanned<Duration>>,
    /// How long it may take.
    pub rto: Option<Spanned<Duration>>,
    /// How often it is tried out.
    pub drill: Option<Spanned<Duration>>,
    /// A query that must answer true afterwards.
    pub check: Option<Spanned<String>>,
}

const PERSIST: &[(&str, Persist)] =
    &[("aof", Persist::Aof), ("rdb", Persist::Rdb), ("none", Persist::None)];
const EVICTION: &[(&str, Eviction)] = &[
    ("refuse", Eviction::Refuse),
    ("lru", Eviction::Lru),
    ("lfu", Eviction::Lfu),
    ("volatile-lru", Eviction::VolatileLru),
    ("volatile-ttl", Eviction::VolatileTtl),
];
const UNDO: &[(&str, Undo)] = &[("required", Undo::Required), ("optional", Undo::Optional)];

/// Connections that a database allows when it does not say.
pub const DEFAULT_CONNECTIONS: u32 = 100;
const DAY: Duration = Duration::from_secs(86_400);

/// The keys of `migrations`.
pub static MIGRATIONS: &[Field] = &[
    Field::new("path", Syntax::Path, "The directory of `NNN_name.up.sql` and `NNN_name.down.sql`.")
        .example("\"api/migrations\"")
        .required(),
    Field::new(
        "undo",
        Syntax::Choice(&["required", "optional"]),
        "Whether each needs its `.down.sql`.",
    )
    .default("\"optional\"")
    .example("\"required\""),
];

/// The keys of `backup`.
pub static BACKUP: &[Field] = &[
    Field::new("base", Syntax::Duration, "The time between base backups.")
        .default("\"24h\"")
        .example("\"24h\""),
    Field::new("keep", Syntax::Duration, "How far one can go back.")
        .default("\"30d\"")
        .example("\"30d\""),
    Field::new(
        "to",
        Syntax::Form("`$NAME` of the secret that holds the repository's URL, or a directory"),
        "Where backups go.",
    )
    .example("\"$BACKUP_REPOSITORY\"")
    .required(),
];

/// The keys of `recover`.
pub static RECOVER: &[Field] = &[
    Field::new("rpo", Syntax::Duration, "How much may be lost.").example("\"10s\""),
    Field::new("rto", Syntax::Duration, "How long recovery may take.").example("\"15m\""),
    Field::new("drill", Syntax::Duration, "How often recovery is tried out.").example("\"7d\""),
    Field::new("check", Syntax::Text, "A query that must answer true after recovery.")
        .example("\"select count(*) > 0 from accounts\""),
];

/// The keys of `[database.NAME]` and `[cache.NAME]` that do not belong to an engine.
pub static FIELDS: &[Field] = &[
    Field::new("engine", Syntax::Text, "What it is; decides which other keys there are.")
        .example("\"postgres\"")
        .required(),
    Field::new(
        "version",
        Syntax::Text,
        "The version it must have; left out: whatever is \
        installed.",
    )
    .example("\"15\""),
    Field::new(
        "replicas",
        Syntax::Whole(0, 15),
        "Streaming copies that answer reads, \
        `@NAME.replica`.",
    )
    .default("0")
    .example("1"),
    Field::new("connections", Syntax::Whole(1, 100_000), "Connections it allows.")
        .default("100")
        .example("100"),
    Field::new("memory", Syntax::Size, "Memory it may use; its settings follow from it.")
        .example("\"256Mi\""),
    Field::new(
        "persist",
        Syntax::Choice(&["aof", "rdb", "none"]),
        "How a cache survives a \
        restart.",
    )
    .example("\"aof\""),
    Field::new(
        "eviction",
        Syntax::Choice(&["refuse", "lru", "lfu", "volatile-lru", "volatile-ttl"]),
        "What a full cache does.",
    )
    .example("\"lru\""),
    Field::new("port", Syntax::Whole(1, 65_535), "The fixed port; left out: one is chosen.")
        .example("5432"),
    Field::new(
        "url",
        Syntax::Secret,
        "The secret with the URL of an external one: connected, \
        observed, backed up, never started.",
    )
    .example("\"$DATABASE_URL\""),
    Field::new(
        "migrations",
        Syntax::Table(MIGRATIONS),
        "Changes to its schema, applied before \
        services start.",
    )
    .example("{ path = \"api/migrations\" }"),
    Field::new("backup", Syntax::Table(BACKUP), "Copies of its data.")
        .example("{ to = \"$BACKUP_REPOSITORY\" }"),
    Field::new("seed", Syntax::Path, "A file that fills it, in dev and staging only.")
        .example("\"api/seed.sql\""),
    Field::new("recover", Syntax::Table(RECOVER), "What recovery must achieve.")
        .example("{ rpo = \"10s\", rto = \"15m\" }"),
    Field::new("size", Syntax::Size, "Disk it is expected to need.").example("\"20Gi\""),
    Field::new(
        "database",
        Syntax::Text,
        "The name of the database inside of the engine; left \
        out: the application's.",
    )
    .example("\"reconciliation\""),
    Field::new(
        "user",
        Syntax::Text,
        "The role that services connect as; left out: the \
        application's name.",
    )
    .example("\"reconciliation\""),
];

/// `[database.NAME]`.
pub static DATABASE: Section = Section {
    name: "database",
    about: "A database. Its address is `@NAME`, its replicas' `@NAME.replica`.",
    shape: Shape::Named(FIELDS),
    example: "[database.db]\nengine     = \"postgres\"\nversion    = \"15\"\nreplicas   = \
        1\nmigrations = { path = \"api/migrations\" }",
};

/// `[cache.NAME]`.
pub static CACHE: Section = Section {
    name: "cache",
    about: "A cache. It takes the keys of a database; the two differ in what their engines can do.",
    shape: Shape::Named(FIELDS),
    example: "[cache.cache]\nengine  = \"redis\"\nmemory  = \"256Mi\"\npersist = \"aof\"",
};

impl Database {
    pub(crate) fn read(
        (role, name): (Role, Spanned<String>),
        table: KindTable,
        mut cursor: Cursor<'_>,
    ) -> Option<Self> {
        let incomplete = cursor.require_all();
        let span = name.span;
        let default =
            |value: Option<Spanned<u32>>, default| value.unwrap_or(Spanned::new(default, span));
        let engine = cursor.text("engine");
        let database = Self {
            role,
            engine: engine.unwrap_or_default(),
            version: cursor.text("version"),
            replicas: default(cursor.whole("replicas"), 0),
            connections: default(cursor.whole("connections"), DEFAULT_CONNECTIONS),
            memory: cursor.bytes("memory"),
            persist: cursor.choice("persist", PERSIST),
            eviction: cursor.choice("eviction", EVICTION),
            port: cursor.whole("port"),
            url: cursor.secret("url"),
            migrations: cursor.table("migrations").and_then(Migrations::read),
            backup: cursor.table("backup").and_then(Backup::read),
            seed: cursor.file("seed"),
            recover: cursor.table("recover").map(Recover::read),
            size: cursor.bytes("size"),
            database: cursor.text("database"),
            user: cursor.text("user"),
            table,
            span,
            name,
        };
        database.check_external(&mut cursor);
        (!incomplete).then_some(database)
    }

    /// What makes no sense for a database that is never started here.
    fn check_external(&self, cursor: &mut Cursor<'_>) {
        let Some(url) = &self.url else {
            return;
        };
        let useless = [
            ("port", self.port.as_ref().map(|port| port.span)),
            ("memory", self.memory.as_ref().map(|memory| memory.span)),
            ("persist", self.persist.as_ref().map(|persist| persist.span)),
            ("eviction", self.eviction.as_ref().map(|eviction| eviction.span)),
            ("replicas", Some(self.replicas.span).filter(|_| 0 < self.replicas.value)),
        ];
        for (key, span) in useless {
            let Some(span) = span else { continue };
            let message =
                format!("`{key}` has no effect on the external database `{}`", self.name.value);
            let diagnostic = Diagnostic::error("contradiction", message)
                .at(span, "")
                .at(url.span, "this makes it external: never started here")
                .help(format!("remove `{key}`, or remove `url` to have it run here"));
            cursor.report(diagnostic);
        }
    }
}

impl Migrations {
    fn read(mut cursor: Cursor<'_>) -> Option<Self> {
        let span = cursor.span();
        cursor.require_all();
        let undo = cursor.choice("undo", UNDO);
        Some(Self {
            path: cursor.file("path")?,
            undo: undo.unwrap_or(Spanned::new(Undo::Optional, span)),
        })
    }
}

impl Backup {
    fn read(mut cursor: Cursor<'_>) -> Option<Self> {
        let span = cursor.span();
        cursor.require_all();
        let base = cursor.period("base").unwrap_or(Spanned::new(DAY, span));
        let keep = cursor.period("keep").unwrap_or(Spanned::new(30 * DAY, span));
        if keep.value < base.value {
            let message = "backups are kept for less time than lies between two of them";
            let diagnostic = Diagnostic::error("contradiction", message)
                .at(keep.span, "kept so long")
                .at(base.span, "made so often")
                .help("raise `keep` above `base`, better to several times of it");
            cursor.report(diagnostic);
        }
        let to = cursor.read("to", |text| {
            if let Some(name) = text.strip_prefix('$')
                && crate::names::is_variable(name)
            {
                return Ok(Repository::Secret(name.to_owned()));
            }
            if text.contains("://") {
                let help = "a repository's URL holds passwords: write `\"$BACKUP_REPOSITORY\"` \
                    and set that secret";
                return Err(crate::cursor::Refusal::new(
                    "the repository's URL stands in the \
                    manifest",
                    help,
                ));
            }
            crate::forms::relative_path(text).map(Repository::Directory)
        })?;
        Some(Self { base, keep, to })
    }
}

impl Recover {
    fn read(mut cursor: Cursor<'_>) -> Self {
        Self {
            rpo: cursor.duration("rpo"),
            rto: cursor.period("rto"),
            drill: cursor.period("drill"),
            check: cursor.text("check"),
        }
    }
}
