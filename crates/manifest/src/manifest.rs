//! The whole intent of one environment, and how it is read from the merged tree.
//!
//! Reading never stops: each section reports its own mistakes and the others are read all the
//! same. Whether the sections fit together is asked afterwards, in `check`.

use base::{Diagnostic, Span, Spanned};

use crate::alert::{self, Alert};
use crate::cursor::{self, Cursor, KindTable, Refusal};
use crate::database::{self, Database, Role};
use crate::field::{Field, Section, Shape, Syntax};
use crate::flag::{self, Flag};
use crate::job::{self, Job};
use crate::listener::{self, Listener};
use crate::load::{self, Load};
use crate::metric::{self, Metric};
use crate::names;
use crate::notifier::{self, Notifier};
use crate::release::{self, Release};
use crate::route::{self, Route};
use crate::secret::{self, SecretDeclaration};
use crate::service::{self, Service};
use crate::slo::{self, Slo};
use crate::telemetry::{self, Telemetry};
use crate::tree::{Node, Table, Value};
use crate::volume::{self, Volume};

/// What the user wants of one environment; sections in the order of the file.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// The application's name.
    pub app: Spanned<String>,
    /// The environment it was read for; `base` when none was asked for.
    pub environment: String,
    /// What runs instances.
    pub driver: Spanned<Driver>,
    /// Whether services are rebuilt when their files change.
    pub watch: Spanned<bool>,
    /// The cluster to talk to, when the driver is Kubernetes.
    pub context: Option<Spanned<String>>,
    /// How many people must approve a release.
    pub approve: Spanned<u32>,
    /// `[service.NAME]`.
    pub services: Vec<Service>,
    /// `[database.NAME]` and `[cache.NAME]`.
    pub databases: Vec<Database>,
    /// `[job.NAME]`.
    pub jobs: Vec<Job>,
    /// `[volume.NAME]`.
    pub volumes: Vec<Volume>,
    /// `[listener.NAME]`.
    pub listeners: Vec<Listener>,
    /// `[route.NAME]`.
    pub routes: Vec<Route>,
    /// `[slo]`.
    pub slos: Vec<Slo>,
    /// `[metric.NAME]`.
    pub metrics: Vec<Metric>,
    /// `[load.NAME]`.
    pub loads: Vec<Load>,
    /// `[alert]`.
    pub alerts: Vec<Alert>,
    /// `[notify.NAME]`.
    pub notifiers: Vec<Notifier>,
    /// `[flags]`.
    pub flags: Vec<Flag>,
    /// `[release]`.
    pub release: Release,
    /// `[secret]`.
    pub secrets: Vec<SecretDeclaration>,
    /// `[telemetry]`.
    pub telemetry: Telemetry,
    /// The name of every section as it was written, also of those that could not be read: what
    /// refers to them is not wrong as well.
    pub(crate) written: Vec<(&'static str, String)>,
}

/// What runs instances.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Driver {
    /// Processes of this machine.
    Process,
    /// Containers of this machine.
    Docker,
    /// A cluster.
    Kubernetes,
}

impl Driver {
    /// As it is written.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Docker => "docker",
            Self::Kubernetes => "kubernetes",
        }
    }
}

const DRIVERS: &[(&str, Driver)] =
    &[("process", Driver::Process), ("docker", Driver::Docker), ("kubernetes", Driver::Kubernetes)];

/// The number of the format that this version reads.
pub const FORMAT: i64 = 1;

/// The keys outside of sections.
pub static FIELDS: &[Field] = &[
    Field::new("format", Syntax::Whole(1, 1), "The number of this file's format.")
        .example("1")
        .required(),
    Field::new("app", Syntax::Text, "The application's name: small letters, digits and hyphens.")
        .example("\"shop\"")
        .required(),
    Field::new(
        "driver",
        Syntax::Choice(&["process", "docker", "kubernetes"]),
        "What runs instances.",
    )
    .default("\"process\"")
    .example("\"docker\""),
    Field::new(
        "watch",
        Syntax::Boolean,
        "Whether services are rebuilt and restarted when their files change.",
    )
    .default("false")
    .example("true"),
    Field::new(
        "context",
        Syntax::Text,
        "The cluster to talk to, as kubectl names it; only with `driver = \"kubernetes\"`.",
    )
    .example("\"prod\""),
    Field::new("approve", Syntax::Whole(0, 10), "How many people must approve a release.")
        .default("0")
        .example("1"),
];

/// Every section, in the order of the reference.
pub static SECTIONS: &[&Section] = &[
    &service::SECTION,
    &database::DATABASE,
    &database::CACHE,
    &job::SECTION,
    &volume::SECTION,
    &listener::SECTION,
    &route::SECTION,
    &slo::SECTION,
    &metric::SECTION,
    &load::SECTION,
    &alert::SECTION,
    &notifier::SECTION,
    &flag::SECTION,
    &release::SECTION,
    &secret::SECTION,
    &telemetry::SECTION,
];

impl Manifest {
    /// The service of this name.
    #[must_use]
    pub fn service(&self, name: &str) -> Option<&Service> {
        self.services.iter().find(|service| service.name.value == name)
    }

    /// The database or cache of this name.
    #[must_use]
    pub fn database(&self, name: &str) -> Option<&Database> {
        self.databases.iter().find(|database| database.name.value == name)
    }

    /// The job of this name.
    #[must_use]
    pub fn job(&self, name: &str) -> Option<&Job> {
        self.jobs.iter().find(|job| job.name.value == name)
    }

    /// The listener of this name.
    #[must_use]
    pub fn listener(&self, name: &str) -> Option<&Listener> {
        self.listeners.iter().find(|listener| listener.name.value == name)
    }

    /// The route of this name.
    #[must_use]
    pub fn route(&self, name: &str) -> Option<&Route> {
        self.routes.iter().find(|route| route.name.value == name)
    }

    /// The objective of this name.
    #[must_use]
    pub fn slo(&self, name: &str) -> Option<&Slo> {
        self.slos.iter().find(|slo| slo.name.value == name)
    }

    /// The notifier of this name.
    #[must_use]
    pub fn notifier(&self, name: &str) -> Option<&Notifier> {
        self.notifiers.iter().find(|notifier| notifier.name.value == name)
    }

    /// What is declared of the secret of this name.
    #[must_use]
    pub fn secret(&self, name: &str) -> Option<&SecretDeclaration> {
        self.secrets.iter().find(|secret| secret.name.value == name)
    }

    /// Reads the merged tree of one environment.
    pub(crate) fn read(
        root: &Table,
        environment: &str,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<Self> {
        report_unknown(root, diagnostics);
        let start = Span::default();
        let node = Node {
            value: Value::Table(root.clone()),
            span: start,
            key_span: start,
            origin: crate::tree::Origin::Base,
        };
        let mut cursor = Cursor::open_shared(&node, "", FIELDS, diagnostics)?;
        let readable = read_format(&mut cursor);
        let app = cursor.read("app", app_name);
        let driver = cursor.choice("driver", DRIVERS);
        let watch = cursor.boolean("watch");
        let context = cursor.text("context");
        let approve = cursor.whole("approve");
        if !readable {
            return None;
        }
        let mut manifest = Self {
            app: app.unwrap_or_default(),
            environment: environment.to_owned(),
            driver: driver.unwrap_or(Spanned::new(Driver::Process, start)),
            watch: watch.unwrap_or_default(),
            context,
            approve: approve.unwrap_or_default(),
            services: Vec::new(),
            databases: Vec::new(),
            jobs: Vec::new(),
            volumes: Vec::new(),
            listeners: Vec::new(),
            routes: Vec::new(),
            slos: Vec::new(),
            metrics: Vec::new(),
            loads: Vec::new(),
            alerts: Vec::new(),
            notifiers: Vec::new(),
            flags: Vec::new(),
            release: Release::default(),
            secrets: Vec::new(),
            telemetry: Telemetry::default(),
            written: Vec::new(),
        };
        for (key, node) in root.iter() {
            if let Some(section) = SECTIONS.iter().find(|section| section.name == key) {
                manifest.read_section(section, node, diagnostics);
            }
        }
        Some(manifest)
    }

    fn read_section(
        &mut self,
        section: &'static Section,
        node: &Node,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        if let Shape::Single(fields) = section.shape {
            let Some(cursor) = Cursor::open(node, section.name, fields, diagnostics) else {
                return;
            };
            if section.name == release::SECTION.name {
                self.release = Release::read(cursor);
            } else {
                self.telemetry = Telemetry::read(cursor);
            }
            return;
        }
        let Value::Table(table) = &node.value else {
            diagnostics.push(cursor::not_a_table(node, &shown_header(section)));
            return;
        };
        for (key, node) in table.iter().filter(|(key, _)| !key.starts_with("x-")) {
            if let Some(name) = entry_name(section, key, node, diagnostics) {
                self.written.push((section.name, name.value.clone()));
                self.read_entry(section, name, node, diagnostics);
            }
        }
    }

    fn read_entry(
        &mut self,
        section: &Section,
        name: Spanned<String>,
        node: &Node,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        let path = format!("{}.{}", section.name, name.value);
        let fields = match section.shape {
            Shape::Named(fields) | Shape::Entries(fields) => fields,
            Shape::Routes(..) => {
                self.routes.extend(Route::read(name, node, diagnostics));
                return;
            }
            Shape::Variables(_) => {
                self.secrets.extend(SecretDeclaration::read(name, node, diagnostics));
                return;
            }
            Shape::Values | Shape::Single(_) => {
                self.flags.extend(Flag::read(name, node, diagnostics));
                return;
            }
        };
        let of_a_kind = matches!(section.name, "database" | "cache" | "notify");
        let cursor = if of_a_kind {
            Cursor::open_shared(node, &path, fields, diagnostics)
        } else {
            Cursor::open(node, &path, fields, diagnostics)
        };
        let Some(cursor) = cursor else {
            return;
        };
        let kind = || KindTable { node: node.clone(), path: path.clone(), common: fields };
        match section.name {
            "service" => self.services.extend(Service::read(name, cursor)),
            "database" => {
                self.databases.extend(Database::read((Role::Database, name), kind(), cursor));
            }
            "cache" => self.databases.extend(Database::read((Role::Cache, name), kind(), cursor)),
            "job" => self.jobs.extend(Job::read(name, cursor)),
            "volume" => self.volumes.extend(Volume::read(name, cursor)),
            "listener" => self.listeners.extend(Listener::read(name, cursor)),
            "slo" => self.slos.extend(Slo::read(name, cursor)),
            "metric" => self.metrics.extend(Metric::read(name, cursor)),
            "load" => self.loads.extend(Load::read(name, cursor)),
            "alert" => self.alerts.extend(Alert::read(name, cursor)),
            "notify" => self.notifiers.extend(Notifier::read(name, kind(), cursor)),
            other => debug_assert!(false, "section `{other}` has no parser"),
        }
    }
}

fn shown_header(section: &Section) -> String {
    match section.shape {
        Shape::Named(_) | Shape::Routes(..) => format!("{}.name", section.name),
        _ => section.name.to_owned(),
    }
}

/// A key that is neither a field nor a section.
fn report_unknown(root: &Table, diagnostics: &mut Vec<Diagnostic>) {
    let mut known: Vec<&str> = FIELDS.iter().map(|field| field.name).collect();
    known.extend(SECTIONS.iter().map(|section| section.name));
    known.push("env");
    for (key, node) in root.iter() {
        if known.contains(&key) || key.starts_with("x-") {
            continue;
        }
        let mut diagnostic = cursor::unknown_key("", key, node, &known);
        if matches!(node.value, Value::Table(_)) {
            diagnostic.message = format!("unknown section `{key}`");
        }
        diagnostics.push(diagnostic);
    }
}

/// Whether this version can read the rest.
fn read_format(cursor: &mut Cursor<'_>) -> bool {
    cursor.require_all();
    let Some(node) = cursor.node("format") else {
        return true;
    };
    let Value::Integer(number) = node.value else {
        cursor.wrong_type("format", node);
        return true;
    };
    if number == FORMAT {
        return true;
    }
    let (message, help) = if FORMAT < number {
        let message =
            format!("format {number} is newer than this Mainstay, which reads format {FORMAT}");
        (
            message,
            format!(
                "install the version of Mainstay whose `mainstay schema` names format {number}"
            ),
        )
    } else {
        let message = format!("there is no format {number}; this Mainstay reads format {FORMAT}");
        (message, format!("write `format = {FORMAT}`"))
    };
    cursor.report(Diagnostic::error("format", message).at(node.span, "").help(help));
    false
}

fn app_name(text: &str) -> Result<String, Refusal> {
    if names::is_name(text) {
        return Ok(text.to_owned());
    }
    let help = match names::as_name(text) {
        Some(name) => format!("write `app = \"{name}\"`"),
        None => "write small letters, digits and hyphens, a letter first".to_owned(),
    };
    Err(Refusal::new(format!("`{text}` cannot be the application's name"), help))
}

/// The name of a section's entry, if it may be one.
fn entry_name(
    section: &Section,
    key: &str,
    node: &Node,
    diagnostics: &mut Vec<Diagnostic>,
) -> Option<Spanned<String>> {
    if let Some(misplaced) = misplaced_key(section, key, node) {
        diagnostics.push(misplaced);
        return None;
    }
    let refusal = if matches!(section.shape, Shape::Variables(_)) {
        crate::forms::variable_name(key).err()
    } else if names::is_name(key) {
        None
    } else {
        let rule = "small letters, digits and hyphens, a letter first, at most 40";
        let help = match (section.shape, names::as_name(key)) {
            (Shape::Named(_) | Shape::Routes(..), Some(name)) => {
                format!("write `[{}.{name}]`: {rule}", section.name)
            }
            (_, Some(name)) => format!("write `{name} = …`: {rule}"),
            _ => format!("write {rule}"),
        };
        Some(Refusal::new(format!("`{key}` is not a name"), help))
    };
    let Some(refusal) = refusal else {
        return Some(Spanned::new(key.to_owned(), node.key_span));
    };
    diagnostics.push(
        Diagnostic::error("bad-name", refusal.message).at(node.key_span, "").help(refusal.help),
    );
    None
}

/// `[service]` with keys directly below it, which was meant to be `[service.name]`.
fn misplaced_key(section: &Section, key: &str, node: &Node) -> Option<Diagnostic> {
    let (Shape::Named(_) | Shape::Routes(..)) = section.shape else {
        return None;
    };
    if matches!(node.value, Value::Table(_)) {
        return None;
    }
    let message = format!("`{key}` stands directly in [{}]", section.name);
    let help = format!("give the section a name, and put `{key}` there: `[{}.name]`", section.name);
    Some(Diagnostic::error("wrong-type", message).at(node.key_span, "").help(help))
}
