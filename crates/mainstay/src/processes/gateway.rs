//! `mainstay gateway`: the data path.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use gateway::{Limits, Options};

use crate::exit::Exit;
use crate::failure::Failure;

/// The data path
#[derive(Args, Debug)]
pub(crate) struct GatewayArgs {
    /// The Unix socket for control
    #[arg(long)]
    socket: PathBuf,
    /// Where the last plan is kept
    #[arg(long)]
    snapshot: PathBuf,
    /// How many threads serve
    #[arg(long)]
    threads: usize,
}

/// Runs the process.
pub(crate) fn run(args: &GatewayArgs) -> Result<ExitCode, Failure> {
    let sockets = supervisor::take_inherited().map_err(|error| {
        Failure::new(Exit::Usage, "the gateway is started by the supervisor, with its sockets")
            .because(&error)
    })?;
    gateway::run(Options {
        control: args.socket.clone(),
        snapshot: args.snapshot.clone(),
        sockets,
        threads: args.threads,
        limits: Limits::default(),
    })
    .map_err(|error| Failure::of(Exit::No, &error))?;
    Ok(ExitCode::SUCCESS)
}
