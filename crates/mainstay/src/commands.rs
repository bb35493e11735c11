//! The catalogue of commands: one file each, with its arguments and `run`.

pub(crate) mod check;
mod completions;
mod connect;
mod diff;
mod down;
mod env;
pub(crate) mod events;
mod init;
mod logs;
mod man;
mod migrate;
mod restart;
mod run;
mod schema;
mod secret;
mod status;
mod up;
mod why;

use std::process::ExitCode;

use clap::Subcommand;
use control::Answer;

use crate::cli::{Cli, Globals};
use crate::env::Env;
use crate::failure::Failure;
use crate::live;
use crate::output::{Output, Style};
use crate::processes::{self, Process};
use crate::text::sanitized;

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write a manifest from what is in a directory
    Init(init::InitArgs),
    /// Find every mistake of the manifest at once
    Check(check::CheckArgs),
    /// Say what holds for a path of the manifest, and what decided
    Why(why::WhyArgs),
    /// Say what two environments do differently
    Diff(diff::DiffArgs),
    /// Bring the application up
    Up(up::UpArgs),
    /// Stop everything and prove that nothing is left
    Down(down::DownArgs),
    /// Say how everything is now
    Status(status::StatusArgs),
    /// Show what instances and jobs write
    Logs(logs::LogsArgs),
    /// Say what happened
    Events(events::EventsArgs),
    /// Start every instance of a service anew
    Restart(restart::RestartArgs),
    /// Run a job to its end
    Run(run::RunArgs),
    /// Open a client of a database
    Connect(connect::ConnectArgs),
    /// Look at, apply and undo database migrations
    Migrate(migrate::MigrateArgs),
    /// Print the variables that programs are given
    Env(env::EnvArgs),
    /// Set, list and remove secrets
    Secret(secret::SecretArgs),
    /// Print what this version reads, answers and takes
    Schema(schema::SchemaArgs),
    /// Print completions for a shell
    Completions(completions::CompletionsArgs),
    /// Write manual pages
    Man(man::ManArgs),
    /// What this binary becomes when another process of its own starts it
    #[command(flatten)]
    Process(Process),
}

/// What a command is given besides its arguments.
#[derive(Clone, Debug)]
pub(crate) struct Context {
    /// The flags that every command takes.
    pub(crate) globals: Globals,
    /// What was read of the environment.
    pub(crate) env: Env,
    /// Where to print.
    pub(crate) output: Output,
}

/// Runs the command that was typed.
pub(crate) fn run(cli: Cli, env: Env, output: Output) -> Result<ExitCode, Failure> {
    let context = Context { globals: cli.globals, env, output };
    let outcome = match cli.command {
        Command::Init(args) => init::run(&context, &args),
        Command::Check(args) => check::run(&context, &args),
        Command::Why(args) => why::run(&context, &args),
        Command::Diff(args) => diff::run(&context, &args),
        Command::Up(args) => up::run(&context, &args),
        Command::Down(args) => down::run(&context, &args),
        Command::Status(args) => status::run(&context, &args),
        Command::Logs(args) => logs::run(&context, &args),
        Command::Events(args) => events::run(&context, &args),
        Command::Restart(args) => restart::run(&context, &args),
        Command::Run(args) => run::run(&context, &args),
        Command::Connect(args) => connect::run(&context, &args),
        Command::Migrate(args) => migrate::run(&context, args),
        Command::Env(args) => env::run(&context, &args),
        Command::Secret(args) => secret::run(&context, args),
        Command::Schema(args) => schema::run(&context, &args),
        Command::Completions(args) => completions::run(&context, &args),
        Command::Man(args) => man::run(&context, &args),
        Command::Process(process) => return processes::run(&context, process),
    };
    outcome.map(ExitCode::from)
}

/// Prints what became of a request.
fn tell(context: &Context, answer: &Answer) -> Result<(), Failure> {
    let out = &context.output;
    if out.is_json() {
        return out.document(answer);
    }
    match answer {
        Answer::Done { text } => out.line(text),
        Answer::Job { text, lines, .. } => {
            for line in lines {
                out.line(&sanitized(line, out.has_colour()))?;
            }
            out.line(text)
        }
        Answer::Migrations { database, migrations, done } => {
            for one in migrations {
                let applied = match one.applied_at {
                    Some(at) => format!("applied {}", live::moment(at)),
                    None => "not applied".to_owned(),
                };
                let problem = one
                    .problem
                    .as_ref()
                    .map(|problem| out.style(Style::Error, &format!("  {problem}")));
                let name = format!("{:03} {}", one.number, one.name);
                out.line(&format!("{name}  {applied}{}", problem.unwrap_or_default()))?;
            }
            for line in done {
                out.line(line)?;
            }
            if migrations.is_empty() && done.is_empty() {
                out.line(&format!("`{database}` has no migrations"))?;
            }
            Ok(())
        }
        // A password is not for the screen.
        Answer::Client { program, .. } => out.line(program),
    }
}
