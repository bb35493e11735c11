//! `mainstay schema`: what this version reads, answers and takes, as documents.
//!
//! The manifest's schema is put together here because only this crate sees every kind.

use clap::{Args, CommandFactory as _, ValueEnum};
use manifest::KindSchema;
use serde_json::json;

use super::Context;
use crate::cli::Cli;
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::reference;
use crate::server;

/// Print what this version reads, answers and takes
#[derive(Args, Debug)]
pub(crate) struct SchemaArgs {
    /// Which document
    #[arg(value_enum, default_value_t = Document::Manifest)]
    document: Document,
}

/// A document.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum Document {
    /// The JSON Schema of mainstay.toml, for editors
    Manifest,
    /// The OpenAPI description of the admin API
    Api,
    /// The reference of build kinds and engines, as Markdown
    Kinds,
    /// The reference of mainstay.toml with all kinds, as Markdown
    Reference,
    /// The reference of the command line, as Markdown
    Cli,
}

/// Runs the command.
pub(crate) fn run(context: &Context, args: &SchemaArgs) -> Outcome {
    let out = &context.output;
    match args.document {
        Document::Manifest => out.document(&manifest::schema(&kinds()))?,
        Document::Api => out.document(&server::openapi())?,
        Document::Kinds => markdown(context, &manifest::kind_reference(&kinds()))?,
        Document::Reference => {
            let page = manifest::reference() + &manifest::kind_reference(&kinds());
            markdown(context, &page)?;
        }
        Document::Cli => markdown(context, &reference::page(&Cli::command()))?,
    }
    Ok(Exit::Done)
}

fn markdown(context: &Context, page: &str) -> Result<(), Failure> {
    if context.output.is_json() {
        return context.output.document(&json!({ "markdown": page }));
    }
    context.output.text(page)
}

/// Every kind whose own keys a manifest can hold.
fn kinds() -> Vec<KindSchema> {
    let builds = plan::builds::ALL.iter().map(|kind| KindSchema {
        section: "build",
        key: "kind",
        name: kind.name,
        about: kind.about,
        fields: kind.code.fields(),
    });
    let engines = plan::databases::ALL.iter().flat_map(|kind| {
        ["database", "cache"].map(|section| KindSchema {
            section,
            key: "engine",
            name: kind.name,
            about: kind.about,
            fields: &[],
        })
    });
    builds.chain(engines).collect()
}
