//! The command line: flags that every command takes, and the catalogue of commands.

use std::path::PathBuf;

use clap::{Args, Parser};

use crate::commands::Command;

/// One file says what your application needs; one binary carries it.
#[derive(Debug, Parser)]
#[command(
    name = "mainstay",
    version,
    disable_help_subcommand = true,
    after_help = "Exit codes: 0 done; 1 the check you asked for said no; 2 usage; 12 refused before \
                  anything was touched; 65 invalid manifest; 66 unreadable file; 69 nothing runs that \
                  could answer; 70 a bug of ours; 75 try again; 130 interrupted."
)]
pub(crate) struct Cli {
    /// What every command takes.
    #[command(flatten)]
    pub(crate) globals: Globals,
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What every command takes.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Globals {
    /// Print results as JSON, one document or one line per record
    #[arg(long, global = true)]
    pub(crate) json: bool,
    /// Look for mainstay.toml in DIR and above instead of the current directory
    #[arg(short = 'C', long = "directory", value_name = "DIR", global = true)]
    pub(crate) directory: Option<PathBuf>,
    /// The environment; else MAINSTAY_ENV, else the only one that runs, else dev
    #[arg(long, value_name = "ENV", global = true)]
    pub(crate) env: Option<String>,
    /// Keep state in DIR instead of beside the manifest
    #[arg(long, value_name = "DIR", global = true)]
    pub(crate) state: Option<PathBuf>,
    /// No colours
    #[arg(long, global = true)]
    pub(crate) no_color: bool,
}
