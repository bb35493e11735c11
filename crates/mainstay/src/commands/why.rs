//! `mainstay why`: where an effective value comes from.

use clap::Args;
use manifest::{AnswerOrigin, Document};
use serde_json::json;

use super::Context;
use crate::environment;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::output::Style;
use crate::project::Project;

/// Say what holds for a path of the manifest, and what decided
#[derive(Args, Debug)]
pub(crate) struct WhyArgs {
    /// A dotted path, such as service.api.drain
    path: String,
}

/// Runs the command.
pub(crate) fn run(context: &Context, args: &WhyArgs) -> Outcome {
    let project = Project::read(context)?;
    let document = Document::parse(&project.text);
    super::check::require_readable(context, &project, &document)?;
    let environment = environment::of_manifest(context, &document)?;
    let answer = document.why(&args.path, Some(&environment)).map_err(|diagnostic| {
        let failure = Failure::new(Exit::Usage, diagnostic.message);
        match diagnostic.help {
            Some(help) => failure.help(help),
            None => failure,
        }
    })?;
    let place = answer.span.map(|span| project.position(span.start));
    let origin = origin(&answer.origin);
    if context.output.is_json() {
        context.output.document(&json!({
            "path": args.path,
            "environment": environment,
            "value": answer.value,
            "origin": origin,
            "file": place.map(|_| &project.name),
            "line": place.map(|(line, _)| line),
            "column": place.map(|(_, column)| column),
            "about": answer.about,
        }))?;
        return Ok(Exit::Done);
    }
    let out = &context.output;
    let value = answer.value.as_deref().unwrap_or("(nothing)");
    out.line(&format!("{} = {value}", out.style(Style::Strong, &args.path)))?;
    let at = place.map(|(line, column)| format!(", {}:{line}:{column}", project.name));
    let from = format!("  from {origin}{}", at.unwrap_or_default());
    out.line(&out.style(Style::Faint, &from))?;
    if let Some(about) = answer.about {
        out.line(&out.style(Style::Faint, &format!("  {about}")))?;
    }
    Ok(Exit::Done)
}

fn origin(origin: &AnswerOrigin) -> String {
    match origin {
        AnswerOrigin::Base => "the base".to_owned(),
        AnswerOrigin::Environment(name) => format!("env.{name}"),
        AnswerOrigin::Default => "the default".to_owned(),
    }
}
