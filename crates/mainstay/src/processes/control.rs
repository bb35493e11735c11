//! `mainstay control`: the loop, and the admin API beside it.

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Duration;

use control::{Invoker, Subject};
use runtime::{Shutdown, TaskGroup};
use tokio::signal::unix::{SignalKind, signal};

use super::RunArgs;
use crate::commands::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::project::MANIFEST;
use crate::server;

/// How long the loop may take to finish what it is at; less than the supervisor's patience.
const FINISHES: Duration = Duration::from_secs(5);

/// Runs the process.
pub(crate) fn run(context: &Context, args: &RunArgs) -> Result<ExitCode, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(8)
        .build()
        .map_err(|error| Failure::of(Exit::No, &error))?;
    let served = runtime.block_on(serve(context, args));
    // Work on blocking threads is abandoned: it only reads, or writes files whole.
    runtime.shutdown_background();
    served.map(|()| ExitCode::SUCCESS)
}

async fn serve(context: &Context, args: &RunArgs) -> Result<(), Failure> {
    let subject = Subject {
        manifest: args.project.join(MANIFEST),
        environment: args.environment.clone(),
        location: args.location(),
        invoker: invoker(context),
    };
    let (handle, control) =
        control::prepare(subject).map_err(|error| Failure::of(Exit::No, &error))?;
    let shutdown = Shutdown::new();
    let mut tasks = TaskGroup::new();
    server::start(&mut tasks, handle, args).await?;
    let stop = shutdown.clone();
    let mut terminate =
        signal(SignalKind::terminate()).map_err(|error| Failure::of(Exit::No, &error))?;
    let mut interrupt =
        signal(SignalKind::interrupt()).map_err(|error| Failure::of(Exit::No, &error))?;
    let running = control.run(shutdown);
    tokio::pin!(running);
    let asked = tokio::select! {
        ended = &mut running => return ended.map_err(|error| Failure::of(Exit::No, &error)),
        Some(exit) = tasks.next() => {
            Err(Failure::new(Exit::No, format!("the task `{}` ended", exit.name)))
        }
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
    };
    stop.request();
    let ended = match tokio::time::timeout(FINISHES, running).await {
        Ok(ended) => ended.map_err(|error| Failure::of(Exit::No, &error)),
        Err(_elapsed) => Err(Failure::new(Exit::No, "control did not finish in time")),
    };
    tasks.stop().await;
    asked.and(ended)
}

/// Who runs Mainstay, as far as the environment tells.
pub(crate) fn invoker(context: &Context) -> Invoker {
    let path = context.env.passed.get("PATH").map(OsString::from).unwrap_or_default();
    Invoker {
        path,
        sudo_uid: context.env.invoker.map(|(uid, _)| uid),
        build_environment: context.env.builds.clone(),
    }
}
