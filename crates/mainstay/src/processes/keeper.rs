//! `mainstay keeper`: the second keeper, should the first one be killed.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;

use crate::exit::Exit;
use crate::failure::Failure;

/// Who cleans up after a killed supervisor
#[derive(Args, Debug)]
pub(crate) struct KeeperArgs {
    /// The state directory of the environment
    #[arg(long = "state-directory")]
    state: PathBuf,
}

/// Runs the process.
pub(crate) fn run(args: &KeeperArgs) -> Result<ExitCode, Failure> {
    supervisor::keep(&args.state).map_err(|error| Failure::of(Exit::Bug, &error))?;
    Ok(ExitCode::SUCCESS)
}
