//! `mainstay check`: every mistake at once, with its place, its reason and its remedy.

use base::{Diagnostic, Severity, Source, Span};
use clap::Args;
use manifest::{Document, Manifest};
use serde_json::{Value, json};

use super::Context;
use crate::environment;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::output::Style;
use crate::project::Project;
use crate::text::count;

/// Find every mistake of the manifest at once
#[derive(Args, Debug)]
pub(crate) struct CheckArgs {
    /// Only what the file says; not whether this machine has what it asks for
    #[arg(long)]
    file_only: bool,
}

/// What was found out about a manifest.
#[derive(Debug)]
pub(crate) struct Verdict {
    /// The environment it was read for.
    pub(crate) environment: String,
    /// The manifest, if it has no error.
    pub(crate) manifest: Option<Manifest>,
    /// Every mistake.
    pub(crate) diagnostics: Vec<Diagnostic>,
}

/// Runs the command.
pub(crate) fn run(context: &Context, args: &CheckArgs) -> Outcome {
    let project = Project::read(context)?;
    let verdict = judge(context, &project, !args.file_only)?;
    report(context, &project, &verdict, Reported::All)?;
    Ok(if verdict.has_errors() { Exit::Invalid } else { Exit::Done })
}

/// Reads and judges a manifest, and its machine where it would run here.
pub(crate) fn judge(
    context: &Context,
    project: &Project,
    machine: bool,
) -> Result<Verdict, Failure> {
    let document = Document::parse(&project.text);
    let asked = environment::asked(context)?.unwrap_or_else(|| environment::DEFAULT.to_owned());
    let wanted = Some(asked.as_str()).filter(|name| *name != manifest::BASE);
    let (manifest, mut diagnostics) = document.resolve(wanted);
    if let Some(manifest) = manifest.as_ref().filter(|_| machine) {
        diagnostics.extend(crate::machine::check(context, project, manifest)?);
    }
    let failed = diagnostics.iter().any(|diagnostic| diagnostic.severity == Severity::Error);
    Ok(Verdict { environment: asked, manifest: manifest.filter(|_| !failed), diagnostics })
}

/// The manifest, or a report of its mistakes and the end.
pub(crate) fn require_valid(context: &Context, project: &Project) -> Result<Manifest, Failure> {
    let mut verdict = judge(context, project, false)?;
    if let Some(manifest) = verdict.manifest.take() {
        return Ok(manifest);
    }
    report(context, project, &verdict, Reported::Mistakes)?;
    Err(Failure::Said(Exit::Invalid))
}

/// Ends with a report when the text is so broken that nothing can be asked about it.
pub(crate) fn require_readable(
    context: &Context,
    project: &Project,
    document: &Document,
) -> Result<(), Failure> {
    let (_, diagnostics) = document.resolve(None);
    let broken = ["syntax", "empty", "not-text", "too-deep", "too-long"];
    if !diagnostics.iter().any(|diagnostic| broken.contains(&diagnostic.code)) {
        return Ok(());
    }
    let environment = manifest::BASE.to_owned();
    let verdict = Verdict { environment, manifest: None, diagnostics };
    report(context, project, &verdict, Reported::Mistakes)?;
    Err(Failure::Said(Exit::Invalid))
}

/// How much of a verdict is shown.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Reported {
    /// Everything: it is the result that was asked for.
    All,
    /// The mistakes, beside what was asked for.
    Mistakes,
}

/// Shows a verdict: on standard output when it is the result, else beside it.
pub(crate) fn report(
    context: &Context,
    project: &Project,
    verdict: &Verdict,
    reported: Reported,
) -> Result<(), Failure> {
    let out = &context.output;
    if out.is_json() {
        return out.document(&as_json(project, verdict));
    }
    let is_result = reported == Reported::All;
    let colour = if is_result { out.has_colour() } else { out.has_error_colour() };
    let source = Source { name: &project.name, text: &project.text };
    let mut text = String::new();
    for diagnostic in &verdict.diagnostics {
        text.push_str(&diagnostic.render(source, colour));
        text.push('\n');
    }
    text.push_str(&summary(context, verdict));
    if is_result {
        out.line(&text)
    } else {
        out.note(&text);
        Ok(())
    }
}

impl Verdict {
    /// Whether anything must be mended first.
    pub(crate) fn has_errors(&self) -> bool {
        0 < self.number(Severity::Error)
    }

    fn number(&self, severity: Severity) -> usize {
        self.diagnostics.iter().filter(|diagnostic| diagnostic.severity == severity).count()
    }
}

/// "3 errors, 1 warning", or what there is.
fn summary(context: &Context, verdict: &Verdict) -> String {
    let out = &context.output;
    let errors = verdict.number(Severity::Error);
    let warnings = verdict.number(Severity::Warning);
    let warned = count(warnings, "warning", "warnings");
    let Some(manifest) = &verdict.manifest else {
        let errors = out.style(Style::Error, &count(errors, "error", "errors"));
        return if warnings == 0 { errors } else { format!("{errors}, {warned}") };
    };
    let parts = [
        (manifest.services.len(), "service", "services"),
        (manifest.databases.len(), "database", "databases"),
        (manifest.jobs.len(), "job", "jobs"),
        (manifest.routes.iter().map(|route| route.paths.len()).sum(), "route", "routes"),
    ];
    let parts: Vec<String> = parts
        .into_iter()
        .filter(|(number, _, _)| 0 < *number)
        .map(|(number, one, many)| count(number, one, many))
        .collect();
    let ok = out.style(Style::Good, "ok");
    let mut text = format!("{ok}: {} in `{}`", parts.join(", "), verdict.environment);
    if 0 < warnings {
        text.push_str("; ");
        text.push_str(&warned);
    }
    text
}

fn as_json(project: &Project, verdict: &Verdict) -> Value {
    let diagnostics: Vec<Value> =
        verdict.diagnostics.iter().map(|diagnostic| diagnostic_json(project, diagnostic)).collect();
    json!({
        "ok": !verdict.has_errors(),
        "file": project.name,
        "environment": verdict.environment,
        "errors": verdict.number(Severity::Error),
        "warnings": verdict.number(Severity::Warning),
        "diagnostics": diagnostics,
    })
}

fn diagnostic_json(project: &Project, diagnostic: &Diagnostic) -> Value {
    let place = |span: Span, label: &str| {
        let (line, column) = project.position(span.start);
        let (end_line, end_column) = project.position(span.end);
        json!({
            "line": line, "column": column, "end_line": end_line, "end_column": end_column,
            "start": span.start, "end": span.end, "label": label,
        })
    };
    let places: Vec<Value> =
        diagnostic.places.iter().map(|mark| place(mark.span, &mark.label)).collect();
    json!({
        "code": diagnostic.code,
        "severity": if diagnostic.severity == Severity::Error { "error" } else { "warning" },
        "message": diagnostic.message,
        "help": diagnostic.help,
        "places": places,
    })
}
