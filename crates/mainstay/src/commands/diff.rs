//! `mainstay diff`: what two environments do differently.

use clap::Args;
use manifest::Document;
use serde_json::json;

use super::Context;
use crate::environment;
use crate::exit::Exit;
use crate::failure::Outcome;
use crate::output::Style;
use crate::project::Project;

/// Say what two environments do differently; exits with 1 when they differ
#[derive(Args, Debug)]
pub(crate) struct DiffArgs {
    /// An environment; `base` is the manifest without any
    left: String,
    /// Another
    right: String,
}

/// Runs the command.
pub(crate) fn run(context: &Context, args: &DiffArgs) -> Outcome {
    let project = Project::read(context)?;
    let document = Document::parse(&project.text);
    super::check::require_readable(context, &project, &document)?;
    let left = environment::named(&document, &args.left)?;
    let right = environment::named(&document, &args.right)?;
    let differences = document.diff(left.as_deref(), right.as_deref());
    let exit = if differences.is_empty() { Exit::Done } else { Exit::No };
    let out = &context.output;
    if out.is_json() {
        let list: Vec<_> = differences
            .iter()
            .map(|d| json!({ "path": d.path, "left": d.a, "right": d.b }))
            .collect();
        out.document(&json!({ "left": args.left, "right": args.right, "differences": list }))?;
        return Ok(exit);
    }
    if differences.is_empty() {
        out.line(&format!("`{}` and `{}` are the same", args.left, args.right))?;
    }
    for difference in &differences {
        out.line(&out.style(Style::Strong, &difference.path))?;
        for (name, value, style, sign) in [
            (&args.left, &difference.a, Style::Error, '-'),
            (&args.right, &difference.b, Style::Good, '+'),
        ] {
            let value = value.as_deref().unwrap_or("(not there)");
            out.line(&out.style(style, &format!("  {sign} {name}: {value}")))?;
        }
    }
    Ok(exit)
}
