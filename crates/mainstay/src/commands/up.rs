//! `mainstay up`: checks everything that can be checked first, then brings the application up.

use std::net::SocketAddr;
use std::time::Duration;

use clap::Args;
use manifest::{Driver, Manifest};

use super::Context;
use super::check::{self, Reported};
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::front::{self, Wanted};
use crate::place::Place;
use crate::processes::RunArgs;
use crate::project::Project;
use crate::wait;

/// Bring the application up
#[derive(Args, Debug)]
pub(crate) struct UpArgs {
    /// Return when it is up and leave it running
    #[arg(short, long)]
    detach: bool,
    /// Lines instead of a live view
    #[arg(long)]
    plain: bool,
    /// Give up, and stop everything, when it is not up after this long, such as 2m
    #[arg(long, value_name = "TIME")]
    timeout: Option<String>,
    /// The loopback port of the console; else the one it had before, else a free one from 7400 on
    #[arg(long, value_name = "PORT", value_parser = clap::value_parser!(u16).range(1..))]
    console_port: Option<u16>,
}

/// Runs the command.
pub(crate) fn run(context: &Context, args: &UpArgs) -> Outcome {
    let timeout = args.timeout.as_deref().map(timeout).transpose()?;
    let project = Project::read(context)?;
    let manifest = check::require_valid(context, &project)?;
    if manifest.driver.value != Driver::Process {
        let name = manifest.driver.value.name();
        let title = format!("`{}` runs with the driver `{name}`, not here", manifest.environment);
        return Err(Failure::new(Exit::Refused, title)
            .help("choose an environment with `driver = \"process\"`, such as `--env dev`"));
    }
    let place = Place::new(context, &project.directory, &manifest.app, &manifest.environment)?;
    if let Some(pid) = place.supervisor() {
        return wait::block_on(async { Err(front::already_up(&place, pid).await) });
    }
    place.require_usable()?;
    require_machine(context, &project)?;
    require_ports(&manifest, args.console_port)?;
    place.create()?;
    let run = RunArgs {
        run: run_id(&place.environment)?,
        environment: place.environment.clone(),
        project: project.directory.clone(),
        state: place.location.state.clone(),
        runtime: place.location.runtime.clone(),
        console_port: args.console_port,
    };
    let wanted = Wanted {
        app: manifest.app.to_string(),
        detach: args.detach,
        plain: args.plain || context.env.plain || context.output.is_json(),
        timeout,
    };
    wait::block_on(front::up(context, &place, &run, &wanted))
}

fn timeout(text: &str) -> Result<Duration, Failure> {
    base::parse_duration(text).map_err(|error| {
        Failure::new(Exit::Usage, format!("`--timeout`: {}", error.problem)).help(error.remedy)
    })
}

/// What this machine lacks is said before anything is touched.
fn require_machine(context: &Context, project: &Project) -> Result<(), Failure> {
    let verdict = check::judge(context, project, true)?;
    if verdict.has_errors() {
        check::report(context, project, &verdict, Reported::Mistakes)?;
        return Err(Failure::Said(Exit::Refused));
    }
    Ok(())
}

/// A port that somebody else has is named with its holder before anything starts.
fn require_ports(manifest: &Manifest, console: Option<u16>) -> Result<(), Failure> {
    let listeners =
        manifest.listeners.iter().map(|one| (format!("`{}`", *one.name), one.address.value));
    let databases = manifest.databases.iter().filter(|one| one.url.is_none());
    let databases = databases.map(|one| (&one.name, &one.port));
    let services = manifest.services.iter().map(|one| (&one.name, &one.port));
    let fixed = databases
        .chain(services)
        .filter_map(|(name, port)| Some((format!("`{}`", **name), port.as_ref()?.value)))
        .chain(console.map(|port| ("the console".to_owned(), port)))
        .map(|(name, port)| (name, SocketAddr::from(([127, 0, 0, 1], port))));
    let taken = listeners.chain(fixed).find(|(_, address)| !supervisor::port_is_free(*address));
    let Some((name, address)) = taken else { return Ok(()) };
    let failure = Failure::new(Exit::Refused, format!("{name} cannot listen on {address}"));
    let failure = match supervisor::port_holder(address) {
        Some(holder) => failure.line(format!("{holder} does")),
        None if address.port() < 1024 && !rustix::process::geteuid().is_root() => {
            failure.line("ports below 1024 belong to root")
        }
        None => failure.line("another process does, or the address is not one of this machine"),
    };
    Err(failure.help("stop it, or choose another port; nothing was started"))
}

/// Unique among all runs of the machine: letters, digits and hyphens.
fn run_id(environment: &str) -> Result<String, Failure> {
    let mut bytes = [0; 6];
    getrandom::fill(&mut bytes).map_err(|error| {
        Failure::new(Exit::No, "the kernel gives no random bytes").because(&error)
    })?;
    let random: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("{environment}-{random}"))
}
