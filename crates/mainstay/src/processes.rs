//! The long-lived processes that this binary becomes when it is started by `up` or the supervisor.
//!
//! Their command lines are an agreement between versions of one binary, not for people: hidden, and
//! free to change.

mod control;
mod gateway;
mod keeper;
mod supervisor;

use std::path::PathBuf;
use std::process::ExitCode;

use ::control::Location;
use clap::{Args, Subcommand};

use crate::commands::Context;
use crate::failure::Failure;

pub(crate) use self::control::invoker;
pub(crate) use supervisor::{SUPERVISOR_LOG, arguments as supervisor_arguments};

/// What this process is to become.
#[derive(Debug, Subcommand)]
pub(crate) enum Process {
    /// The parent of all others
    #[command(hide = true)]
    Supervisor(Box<supervisor::SupervisorArgs>),
    /// The loop and the admin API
    #[command(hide = true)]
    Control(Box<RunArgs>),
    /// The data path
    #[command(hide = true)]
    Gateway(gateway::GatewayArgs),
    /// Who cleans up after a killed supervisor
    #[command(hide = true)]
    Keeper(keeper::KeeperArgs),
}

/// What a run is, as it is passed from process to process.
#[derive(Args, Clone, Debug)]
pub(crate) struct RunArgs {
    /// A name for the run, unique
    #[arg(long)]
    pub(crate) run: String,
    /// The environment
    #[arg(long)]
    pub(crate) environment: String,
    /// The manifest's directory
    #[arg(long)]
    pub(crate) project: PathBuf,
    /// The state directory of the environment
    #[arg(long = "state-directory")]
    pub(crate) state: PathBuf,
    /// The directory of sockets
    #[arg(long)]
    pub(crate) runtime: PathBuf,
    /// The loopback port of the console
    #[arg(long)]
    pub(crate) console_port: Option<u16>,
}

impl RunArgs {
    pub(crate) fn location(&self) -> Location {
        Location {
            project: self.project.clone(),
            state: self.state.clone(),
            runtime: self.runtime.clone(),
        }
    }

    /// As arguments of another process.
    pub(crate) fn as_arguments(&self) -> Vec<String> {
        let text = |path: &PathBuf| path.to_string_lossy().into_owned();
        let mut arguments = vec![
            "--run".to_owned(),
            self.run.clone(),
            "--environment".to_owned(),
            self.environment.clone(),
            "--project".to_owned(),
            text(&self.project),
            "--state-directory".to_owned(),
            text(&self.state),
            "--runtime".to_owned(),
            text(&self.runtime),
        ];
        if let Some(port) = self.console_port {
            arguments.extend(["--console-port".to_owned(), port.to_string()]);
        }
        arguments
    }
}

/// Becomes the process and returns when it ends.
pub(crate) fn run(context: &Context, process: Process) -> Result<ExitCode, Failure> {
    match process {
        Process::Supervisor(args) => supervisor::run(context, &args),
        Process::Control(args) => control::run(context, &args),
        Process::Gateway(args) => gateway::run(&args),
        Process::Keeper(args) => keeper::run(&args),
    }
}
