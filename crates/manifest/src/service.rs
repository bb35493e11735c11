//! `[service.NAME]`: a program of the user's, in one or several instances.

use std::time::Duration;

use base::{Bytes, Diagnostic, Percent, Span, Spanned};

use crate::command_line::CommandLine;
use crate::cursor::{Cursor, KindTable, Refusal};
use crate::env_value::EnvValue;
use crate::expectation::{self, Expectation};
use crate::field::{Field, Section, Shape, Syntax};
use crate::probe::{self, Probes};
use crate::tree::Value;

/// A program and how it is built, run, asked and ended.
#[derive(Clone, Debug)]
pub struct Service {
    /// As in the header.
    pub name: Spanned<String>,
    /// How it is built; at least one of `build` and `run` is there.
    pub build: Option<BuildIntent>,
    /// The command, instead of the one that the build kind knows.
    pub run: Option<Spanned<CommandLine>>,
    /// Where the command runs, below the manifest.
    pub dir: Option<Spanned<String>>,
    /// Its environment.
    pub env: Vec<(Spanned<String>, Spanned<EnvValue>)>,
    /// Secrets handed over as variables of the same name.
    pub secrets: Vec<Spanned<String>>,
    /// What is checked of its environment before it starts.
    pub expects: Vec<(Spanned<String>, Spanned<Expectation>)>,
    /// How its state is asked.
    pub probe: Probes,
    /// Where its metrics are read.
    pub metrics: Option<Spanned<String>>,
    /// Where its description is read.
    pub openapi: Option<Spanned<String>>,
    /// The fixed port it listens on; else one is chosen and handed over as `PORT`.
    pub port: Option<Spanned<u16>>,
    /// How long it may take to end.
    pub drain: Spanned<Duration>,
    /// The signal that asks it to end.
    pub stop: Spanned<Signal>,
    /// What one instance may use.
    pub size: Size,
    /// Database connections that each instance opens.
    pub pool: Option<Spanned<u32>>,
    /// How many instances.
    pub scale: Scale,
    /// What happens when it ends by itself.
    pub restart: Spanned<Restart>,
    /// Who it runs as, when the platform runs as root.
    pub user: Option<Spanned<String>>,
    /// Whether it is rebuilt on change, when that differs from the manifest's `watch`.
    pub watch: Option<Spanned<bool>>,
    /// Where the section is named.
    pub span: Span,
}

/// A build: its kind, and the keys that only the kind understands.
#[derive(Clone, Debug)]
pub struct BuildIntent {
    /// `cargo`, `nextjs`, …
    pub kind: Spanned<String>,
    /// The kind's own keys.
    pub table: KindTable,
}

/// What one instance may use.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Size {
    /// Thousandths of a core.
    pub cpu: Option<Spanned<u32>>,
    /// Memory.
    pub memory: Option<Spanned<Bytes>>,
}

/// How many instances, and what decides.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scale {
    /// The fewest.
    pub min: Spanned<u32>,
    /// The most.
    pub max: Spanned<u32>,
    /// What decides between the two.
    pub on: Option<Spanned<ScaleOn>>,
}

/// What decides the number of instances.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum ScaleOn {
    /// This share of the CPU that an instance may use.
    Cpu(Percent),
    /// This share of the memory that an instance may use.
    Memory(Percent),
    /// So many requests per second and instance.
    Requests(u32),
}

/// What happens when a program ends by itself.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Restart {
    /// It is started again.
    Always,
    /// It is started again unless it ended with 0.
    OnFailure,
    /// It stays ended.
    Never,
}

/// A signal that asks a program to end.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Signal {
    /// `SIGTERM`.
    Term,
    /// `SIGINT`.
    Int,
    /// `SIGQUIT`.
    Quit,
    /// `SIGHUP`.
    Hup,
    /// `SIGUSR1`.
    Usr1,
    /// `SIGUSR2`.
    Usr2,
}

impl Signal {
    /// As it is written.
    #[must_use]
    pub fn name(self) -> &'static str {
        SIGNALS.iter().find(|(_, signal)| *signal == self).map_or("SIGTERM", |(name, _)| name)
    }
}

const SIGNALS: &[(&str, Signal)] = &[
    ("SIGTERM", Signal::Term),
    ("SIGINT", Signal::Int),
    ("SIGQUIT", Signal::Quit),
    ("SIGHUP", Signal::Hup),
    ("SIGUSR1", Signal::Usr1),
    ("SIGUSR2", Signal::Usr2),
];
const RESTARTS: &[(&str, Restart)] =
    &[("always", Restart::Always), ("on-failure", Restart::OnFailure), ("never", Restart::Never)];

/// How long a service may take to end when it does not say.
pub const DEFAULT_DRAIN: Duration = Duration::from_secs(10);

/// The keys of `build` that do not belong to a kind.
pub static BUILD: &[Field] =
    &[Field::new("kind", Syntax::Text, "What builds it; decides which other keys there are.")
        .example("\"cargo\"")
        .required()];

/// The keys of `size`.
pub static SIZE: &[Field] = &[
    Field::new("cpu", Syntax::Cpu, "Cores that one instance may use.").example("\"1\""),
    Field::new("memory", Syntax::Size, "Memory that one instance may use.").example("\"512Mi\""),
];

/// The keys of `scale`.
pub static SCALE: &[Field] = &[
    Field::new("min", Syntax::Whole(1, 1000), "The fewest instances.").default("1").example("2"),
    Field::new(
        "max",
        Syntax::Whole(1, 1000),
        "The most instances; as many as `min` when left out.",
    )
    .example("6"),
    Field::new(
        "on",
        Syntax::Form("`cpu PERCENT`, `memory PERCENT` or `requests RATE`"),
        "What decides between the two.",
    )
    .example("\"cpu 70%\""),
];

pub(crate) const ENV: Field = Field::new(
    "env",
    Syntax::Map(&Syntax::Scalar),
    "Its environment. `@name` is the address of a section, `$NAME` a secret, `@@` and `$$` the \
        characters.",
)
.example("{ DATABASE_URL = \"@db\", LOG = \"info\" }");

pub(crate) const SECRETS: Field = Field::new(
    "secrets",
    Syntax::List(&Syntax::Text),
    "Secrets that are handed over as variables of the same name.",
)
.example("[\"JWT_SECRET\"]");

pub(crate) const EXPECTS: Field = Field::new(
    "expects",
    Syntax::Map(&Syntax::Form(expectation::FORM)),
    "What its environment must hold, checked before it starts.",
)
.example("{ JWT_SECRET = \"text min 32\", DATABASE_URL = \"url\" }");

/// The keys of `[service.NAME]`.
pub static FIELDS: &[Field] = &[
    Field::new("build", Syntax::Kind(BUILD), "How it is built and run.")
        .example("{ kind = \"cargo\", path = \"api\" }"),
    Field::new(
        "run",
        Syntax::Form("a program and its arguments; no shell"),
        "The command that runs it, instead of the build kind's own.",
    )
    .example("\"api serve\""),
    Field::new("dir", Syntax::Path, "Where the command runs.").example("\"api\""),
    ENV,
    SECRETS,
    EXPECTS,
    Field::new("probe", Syntax::Table(probe::FIELDS), "How its state is asked.")
        .example("{ readiness = \"/ready every 2s\" }"),
    Field::new("metrics", Syntax::UrlPath, "Where its metrics are read, in Prometheus' format.")
        .example("\"/metrics\""),
    Field::new("openapi", Syntax::UrlPath, "Where its OpenAPI description is read.")
        .example("\"/openapi.json\""),
    Field::new(
        "port",
        Syntax::Whole(1, 65_535),
        "The fixed port it listens on; left out: one is chosen and handed over as `PORT`.",
    )
    .example("3000"),
    Field::new("drain", Syntax::Duration, "How long it may take to finish requests and end.")
        .default("\"10s\"")
        .example("\"40s\""),
    Field::new(
        "stop",
        Syntax::Choice(&["SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", "SIGUSR1", "SIGUSR2"]),
        "The signal that asks it to end.",
    )
    .default("\"SIGTERM\"")
    .example("\"SIGINT\""),
    Field::new("size", Syntax::Table(SIZE), "What one instance may use.")
        .example("{ cpu = \"1\", memory = \"512Mi\" }"),
    Field::new(
        "pool",
        Syntax::Whole(1, 10_000),
        "Database connections that each instance opens; checked against the database.",
    )
    .example("10"),
    Field::new("scale", Syntax::Table(SCALE), "How many instances.")
        .example("{ min = 2, max = 6, on = \"cpu 70%\" }"),
    Field::new(
        "restart",
        Syntax::Choice(&["always", "on-failure", "never"]),
        "What happens when it ends by itself.",
    )
    .default("\"always\"")
    .example("\"on-failure\""),
    Field::new("user", Syntax::Text, "Who it runs as, when Mainstay runs as root.")
        .example("\"www-data\""),
    Field::new(
        "watch",
        Syntax::Boolean,
        "Rebuild and restart it when its files change; left out: as the manifest's `watch`.",
    )
    .example("false"),
];

/// `[service.NAME]`.
pub static SECTION: Section = Section {
    name: "service",
    about: "A program of yours. One without a route, a `port` and anybody who uses its address \
        is a worker.",
    shape: Shape::Named(FIELDS),
    example: "[service.api]\nbuild = { kind = \"cargo\", path = \"api\" }\nenv   = { \
        DATABASE_URL = \"@db\" }\nprobe = { readiness = \"/ready every 2s\" }",
};

impl Service {
    pub(crate) fn read(name: Spanned<String>, mut cursor: Cursor<'_>) -> Option<Self> {
        let build = read_build(&mut cursor);
        let run = cursor.read("run", CommandLine::parse);
        if !cursor.has("build") && !cursor.has("run") {
            let message = format!("service `{}` has neither `build` nor `run`", name.value);
            let help = "add `build = { kind = \"cargo\" }` or `run = \"program arguments\"`";
            let diagnostic = Diagnostic::error("missing-key", message).at(name.span, "");
            cursor.report(diagnostic.help(help));
        }
        let or_default = |value: Option<_>, default| value.unwrap_or(default);
        let span = name.span;
        let scale = read_scale(&mut cursor);
        Some(Self {
            build,
            run,
            dir: cursor.file("dir"),
            env: read_env(&mut cursor),
            secrets: cursor.variable_list("secrets"),
            expects: read_expects(&mut cursor),
            probe: cursor.table("probe").map(Probes::read).unwrap_or_default(),
            metrics: cursor.url_path("metrics"),
            openapi: cursor.url_path("openapi"),
            port: cursor.whole("port"),
            drain: or_default(cursor.duration("drain"), Spanned::new(DEFAULT_DRAIN, span)),
            stop: cursor.choice("stop", SIGNALS).unwrap_or(Spanned::new(Signal::Term, span)),
            size: read_size(&mut cursor),
            pool: cursor.whole("pool"),
            scale,
            restart: cursor
                .choice("restart", RESTARTS)
                .unwrap_or(Spanned::new(Restart::Always, span)),
            user: cursor.text("user"),
            watch: cursor.boolean("watch"),
            span,
            name,
        })
    }
}

/// `build`, of a service or a job.
pub(crate) fn read_build(cursor: &mut Cursor<'_>) -> Option<BuildIntent> {
    let node = cursor.node("build")?;
    if !matches!(node.value, Value::Table(_)) {
        cursor.wrong_type("build", node);
        return None;
    }
    let path = format!("{}.build", cursor.path());
    let mut below = Cursor::open_shared(node, &path, BUILD, cursor.collector())?;
    if below.require_all() {
        return None;
    }
    let kind = below.text("kind")?;
    Some(BuildIntent { kind, table: KindTable { node: node.clone(), path, common: BUILD } })
}

/// `env`, of a service or a job.
pub(crate) fn read_env(cursor: &mut Cursor<'_>) -> Vec<(Spanned<String>, Spanned<EnvValue>)> {
    let mut env = Vec::new();
    for (name, node) in cursor.map("env") {
        let value = match &node.value {
            Value::Text(text) => EnvValue::parse(text),
            Value::Integer(number) => Ok(EnvValue::Text(number.to_string())),
            Value::Float(number) => Ok(EnvValue::Text(number.to_string())),
            Value::Boolean(truth) => Ok(EnvValue::Text(truth.to_string())),
            other => {
                let message = format!("`{}` must be text, not {}", name.value, other.kind());
                let help = format!("write `{} = \"…\"`", name.value);
                cursor
                    .report(Diagnostic::error("wrong-type", message).at(node.span, "").help(help));
                continue;
            }
        };
        match value {
            Ok(value) => env.push((name, Spanned::new(value, node.span))),
            Err(refusal) => cursor.refuse("env", node, refusal),
        }
    }
    env
}

/// `expects`, of a service or a job.
pub(crate) fn read_expects(
    cursor: &mut Cursor<'_>,
) -> Vec<(Spanned<String>, Spanned<Expectation>)> {
    let mut expects = Vec::new();
    for (name, node) in cursor.map("expects") {
        let Value::Text(text) = &node.value else {
            let message = format!("`{}` must be text, not {}", name.value, node.value.kind());
            let help = format!("write `{} = \"text min 32\"`", name.value);
            cursor.report(Diagnostic::error("wrong-type", message).at(node.span, "").help(help));
            continue;
        };
        match Expectation::parse(text) {
            Ok(expectation) => expects.push((name, Spanned::new(expectation, node.span))),
            Err(refusal) => cursor.refuse("expects", node, refusal),
        }
    }
    expects
}

/// `size`, of a service or a job.
pub(crate) fn read_size(cursor: &mut Cursor<'_>) -> Size {
    let Some(mut size) = cursor.table("size") else {
        return Size::default();
    };
    Size { cpu: size.read("cpu", parse_cpu), memory: size.bytes("memory") }
}

fn parse_cpu(text: &str) -> Result<u32, Refusal> {
    let refuse = || {
        let help = "write cores, or thousandths of one: `2`, `0.5`, `500m`";
        Refusal::new(format!("`{text}` is not a number of cores"), help)
    };
    let (number, decimals) = match text.trim().strip_suffix('m') {
        Some(thousandths) => (thousandths, 0),
        None => (text.trim(), 3),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) || decimals < fraction.len() {
        return Err(refuse());
    }
    let thousandths: u32 =
        format!("{whole}{fraction:0<decimals$}").parse().map_err(|_too_large| refuse())?;
    if (1..=1_000_000).contains(&thousandths) { Ok(thousandths) } else { Err(refuse()) }
}

fn read_scale(cursor: &mut Cursor<'_>) -> Scale {
    let span = cursor.span();
    let Some(mut scale) = cursor.table("scale") else {
        let one = Spanned::new(1, span);
        return Scale { min: one, max: one, on: None };
    };
    let span = scale.span();
    let min = scale.whole("min");
    let max: Option<Spanned<u32>> = scale.whole("max");
    let on = scale.read("on", parse_scale_on);
    if let (Some(min), Some(max)) = (&min, &max)
        && max.value < min.value
    {
        let message = format!("`max = {}` is less than `min = {}`", max.value, min.value);
        let diagnostic = Diagnostic::error("contradiction", message)
            .at(max.span, "the most instances")
            .at(min.span, "the fewest")
            .help("exchange the two");
        scale.report(diagnostic);
    }
    let min = min.unwrap_or(Spanned::new(1, span));
    let max = max.unwrap_or(Spanned::new(min.value.max(1), min.span));
    Scale { min, max, on }
}

fn parse_scale_on(text: &str) -> Result<ScaleOn, Refusal> {
    let words: Vec<&str> = text.split_whitespace().collect();
    match words.as_slice() {
        ["cpu", share] => Ok(ScaleOn::Cpu(Percent::parse(share)?)),
        ["memory", share] => Ok(ScaleOn::Memory(Percent::parse(share)?)),
        ["requests", rate] => {
            let rate = base::Rate::parse(rate)?;
            if rate.per != Duration::from_secs(1) {
                let message = format!("`{text}` is not a rate per second");
                return Err(Refusal::new(message, "write `requests 50/s`"));
            }
            Ok(ScaleOn::Requests(rate.count))
        }
        _ => {
            let message = format!("`{text}` does not say what to scale on");
            Err(Refusal::new(message, "write `cpu 70%`, `memory 80%` or `requests 50/s`"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cores_are_read_as_thousandths() {
        let check = |text: &str, cpu: Option<u32>| assert_eq!(parse_cpu(text).ok(), cpu, "{text}");
        check("1", Some(1_000));
        check("0.5", Some(500));
        check("250m", Some(250));
        check("1.5", Some(1_500));
        for wrong in ["", "0", "-1", "1.2345", "0.5m", "x", "m", "99999999"] {
            check(wrong, None);
        }
    }
}
