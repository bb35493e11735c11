//! `mainstay supervisor`: the parent of all others.

use std::collections::BTreeMap;
use std::io;
use std::os::fd::AsFd as _;
use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use supervisor::{LockError, Options, PlatformProcess, Rotation, RunError};

use super::RunArgs;
use crate::commands::Context;
use crate::exit::Exit;
use crate::failure::Failure;

/// What the supervisor itself has to say goes here, below the state directory.
pub(crate) const SUPERVISOR_LOG: &str = "supervisor.log";

/// More threads do not help a data path of a few applications on one machine.
const MOST_THREADS: usize = 4;

/// The parent of all others
#[derive(Args, Debug)]
pub(crate) struct SupervisorArgs {
    #[command(flatten)]
    run: RunArgs,
    /// Standard input is a pipe whose end means: stop in order
    #[arg(long)]
    leash: bool,
}

/// The arguments that start it.
pub(crate) fn arguments(run: &RunArgs, leash: bool) -> Vec<String> {
    let mut arguments = vec!["supervisor".to_owned()];
    arguments.extend(run.as_arguments());
    arguments.extend(leash.then(|| "--leash".to_owned()));
    arguments
}

/// Runs the process; returns in the supervisor and in its keeper.
pub(crate) fn run(context: &Context, args: &SupervisorArgs) -> Result<ExitCode, Failure> {
    let failed = |what: &str, error: &io::Error| Failure::new(Exit::No, what).because(error);
    // Keys pressed in the terminal that started us are not meant for us.
    if let Err(error) = rustix::process::setsid()
        && error != rustix::io::Errno::PERM
    {
        return Err(failed("cannot make a session", &error.into()));
    }
    let leash = args
        .leash
        .then(|| io::stdin().as_fd().try_clone_to_owned())
        .transpose()
        .map_err(|error| failed("cannot hold the leash", &error))?;
    let program = std::env::current_exe()
        .map_err(|error| failed("cannot find out where this program is", &error))?;
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
    let location = args.run.location();
    // Control reads these for what it hands to builds; others are given none of them.
    let mut environment: BTreeMap<String, String> = context.env.builds.clone();
    if let Some((uid, gid)) = context.env.invoker {
        environment.insert("SUDO_UID".to_owned(), uid.to_string());
        environment.insert("SUDO_GID".to_owned(), gid.to_string());
    }
    let mut control = vec!["control".to_owned()];
    control.extend(args.run.as_arguments());
    let path = |path: std::path::PathBuf| path.to_string_lossy().into_owned();
    let gateway = [
        "gateway".to_owned(),
        "--socket".to_owned(),
        path(location.gateway_socket()),
        "--snapshot".to_owned(),
        path(location.gateway_snapshot()),
        "--threads".to_owned(),
        threads.to_string(),
    ];
    let keeper =
        vec!["keeper".to_owned(), "--state-directory".to_owned(), path(location.state.clone())];
    let platform = |name: &str, arguments: Vec<String>, seconds| PlatformProcess {
        name: name.to_owned(),
        program: program.clone(),
        arguments,
        environment: environment.clone(),
        sockets: name == "gateway",
        user: None,
        deadline: Duration::from_secs(seconds),
    };
    let options = Options {
        state: location.state.clone(),
        runtime: location.runtime.clone(),
        platform: vec![platform("control", control, 10), platform("gateway", gateway.into(), 25)],
        gateway_threads: threads,
        leash,
        run_id: args.run.run.clone(),
        cgroups: true,
        environment: context.env.passed.clone(),
        rotation: Rotation::default(),
        keeper: Some((program.clone(), keeper)),
    };
    supervisor::run(options).map_err(|error| {
        let locked = matches!(error, RunError::Locked(LockError::Held { .. }));
        Failure::of(if locked { Exit::TryAgain } else { Exit::No }, &error)
    })
}
