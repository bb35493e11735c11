//! `mainstay schema`: the manifest's JSON Schema, put together here because only this crate sees
//! every kind.

use clap::Args;
use manifest::KindSchema;

use super::Context;
use crate::exit::Exit;
use crate::failure::Outcome;

/// Print the manifest's JSON Schema, for editors
#[derive(Args, Debug)]
pub(crate) struct SchemaArgs {}

/// Runs the command.
pub(crate) fn run(context: &Context, _args: &SchemaArgs) -> Outcome {
    context.output.document(&manifest::schema(&kinds()))?;
    Ok(Exit::Done)
}

/// Every kind whose own keys a manifest can hold.
pub(crate) fn kinds() -> Vec<KindSchema> {
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
