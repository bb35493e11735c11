//! `[job.NAME]`: a program that runs and ends, at a schedule or when asked.

use std::time::Duration;

use base::{Diagnostic, Span, Spanned};

use crate::command_line::CommandLine;
use crate::cursor::Cursor;
use crate::env_value::EnvValue;
use crate::field::{Field, Section, Shape, Syntax};
use crate::schedule::Schedule;
use crate::service::{self, BuildIntent, Size};

/// A program that runs and ends.
#[derive(Clone, Debug)]
pub struct Job {
    /// As in the header.
    pub name: Spanned<String>,
    /// The command.
    pub run: Spanned<CommandLine>,
    /// The service whose build, directory and environment it uses.
    pub of: Option<Spanned<String>>,
    /// How it is built, when not like a service.
    pub build: Option<BuildIntent>,
    /// Where the command runs, below the manifest; as the service of `of` when absent.
    pub dir: Option<Spanned<String>>,
    /// Its environment, added to that of the service it belongs to.
    pub env: Vec<(Spanned<String>, Spanned<EnvValue>)>,
    /// Secrets handed over as variables of the same name.
    pub secrets: Vec<Spanned<String>>,
    /// When it runs; only on demand when absent.
    pub schedule: Option<Spanned<Schedule>>,
    /// How long it may take.
    pub timeout: Option<Spanned<Duration>>,
    /// How often it is tried again after it failed.
    pub retries: Spanned<u32>,
    /// What it may use.
    pub size: Size,
    /// Where the section is named.
    pub span: Span,
}

/// The keys of `[job.NAME]`.
pub static FIELDS: &[Field] = &[
    Field::new("run", Syntax::Form("a program and its arguments; no shell"), "The command.")
        .example("\"api report\"")
        .required(),
    Field::new(
        "of",
        Syntax::Name("service"),
        "The service whose build, directory and environment it uses.",
    )
    .example("\"api\""),
    Field::new("build", Syntax::Kind(service::BUILD), "How it is built, when not like a service.")
        .example("{ kind = \"cargo\", path = \"report\" }"),
    Field::new("dir", Syntax::Path, "Where the command runs.").example("\"report\""),
    service::ENV,
    service::SECRETS,
    Field::new(
        "schedule",
        Syntax::Form("five cron fields: minute, hour, day of month, month, day of week; in UTC"),
        "When it runs; left out: only by `mainstay run NAME`.",
    )
    .example("\"0 2 * * *\""),
    Field::new("timeout", Syntax::Duration, "How long it may take; left out: as long as it likes.")
        .example("\"1h\""),
    Field::new("retries", Syntax::Whole(0, 100), "How often it is tried again after it failed.")
        .default("0")
        .example("3"),
    Field::new("size", Syntax::Table(service::SIZE), "What it may use.")
        .example("{ cpu = \"1\", memory = \"512Mi\" }"),
];

/// `[job.NAME]`.
pub static SECTION: Section = Section {
    name: "job",
    about: "A program that runs and ends, at a schedule or by `mainstay run NAME`.",
    shape: Shape::Named(FIELDS),
    example: "[job.nightly-report]\nrun      = \"api report\"\nof       = \"api\"\nschedule = \
        \"0 2 * * *\"",
};

impl Job {
    pub(crate) fn read(name: Spanned<String>, mut cursor: Cursor<'_>) -> Option<Self> {
        cursor.require_all();
        let span = name.span;
        let of = cursor.name("of");
        let build = service::read_build(&mut cursor);
        if let (Some(of), Some(build)) = (&of, &build) {
            let message = format!("job `{}` has both `of` and `build`", name.value);
            let diagnostic = Diagnostic::error("contradiction", message)
                .at(build.kind.span, "a build of its own")
                .at(of.span, "the build of a service")
                .help("remove one of the two");
            cursor.report(diagnostic);
        }
        let env = service::read_env(&mut cursor);
        let secrets = cursor.variable_list("secrets");
        let schedule = cursor.read("schedule", Schedule::parse);
        let timeout = cursor.period("timeout");
        let retries = cursor.whole("retries").unwrap_or(Spanned::new(0, span));
        let size = service::read_size(&mut cursor);
        let dir = cursor.file("dir");
        let run = cursor.read("run", CommandLine::parse)?;
        Some(Self {
            name,
            run,
            of,
            build,
            dir,
            env,
            secrets,
            schedule,
            timeout,
            retries,
            size,
            span,
        })
    }
}
