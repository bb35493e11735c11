//! From a process that was just started to a supervisor with its keeper, and to its end.

use std::io;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use base::Clock as _;
use rustix::pipe::PipeFlags;
use tokio::net::UnixListener;
use tokio::net::unix::pipe;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::mpsc;

use crate::cgroup::Cgroups;
use crate::children::{Children, Order};
use crate::disk::Disk;
use crate::keeper;
use crate::launch::Surroundings;
use crate::listeners::Listeners;
use crate::lock::{Lock, LockError, pause_for, private_directory};
use crate::options::Options;
use crate::process_table;
use crate::protocol::{Reply, SOCKET};
use crate::record::{self, RecordError};
use crate::server;
use crate::supervision::{Beginning, Event, Keeper, Supervision};
use crate::sweep::sweep_locked;
use crate::sys::{self, Fork};

/// Events that wait for the loop; whoever sends more waits.
const WAITING: usize = 1024;

/// How long a predecessor's keeper may still be at work.
const PREDECESSOR: Duration = Duration::from_secs(5);

/// How long those who wait for the end are given to read it.
const FAREWELL: Duration = Duration::from_millis(200);

/// Why there is no supervisor, or no longer.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A directory cannot be made or written.
    #[error("cannot use directory `{}`", path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another supervisor uses the state directory.
    #[error(transparent)]
    Locked(#[from] LockError),
    /// The record of an earlier run cannot be read.
    #[error(transparent)]
    Record(#[from] RecordError),
    /// The system refuses something that must be had.
    #[error("cannot {attempt}")]
    System {
        /// What was attempted.
        attempt: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
}

fn system(attempt: &'static str) -> impl FnOnce(io::Error) -> RunError {
    move |source| RunError::System { attempt, source }
}

/// Becomes the supervisor and returns when everything was stopped.
///
/// The calling process forks and becomes the keeper; the supervisor is its child. Both return from
/// here, each with its exit code: an error is only returned in the one in which it occurred, and
/// the keeper's code is the supervisor's. The caller must not have started a thread.
///
/// # Errors
///
/// When another supervisor uses the state directory, or the system refuses what must be had.
pub fn run(mut options: Options) -> Result<ExitCode, RunError> {
    for path in [&options.state, &options.runtime] {
        let unusable = |source| RunError::Directory { path: path.clone(), source };
        if path == &options.state {
            std::fs::create_dir_all(path).map_err(unusable)?;
        } else {
            private_directory(path).map_err(unusable)?;
        }
    }
    let mut lock = Lock::take(&options.state, PREDECESSOR)?;
    sweep_locked(&options.state, &options.runtime)?;
    let cgroups = if options.cgroups { Cgroups::make(&options.run_id) } else { Cgroups::default() };
    let (keeper_ends, keeper_lives) = rustix::pipe::pipe_with(PipeFlags::CLOEXEC)
        .map_err(|error| system("make a pipe")(error.into()))?;
    let own = rustix::process::getpid();
    let subreaper = || {
        rustix::process::set_child_subreaper(Some(own))
            .map_err(|error| system("become a subreaper")(error.into()))
    };
    subreaper()?;
    sys::hold_signals(true);
    match sys::fork().map_err(system("fork the supervisor from its keeper"))? {
        Fork::Parent { child } => {
            drop((keeper_ends, options));
            let code = keeper::guard(child, &cgroups);
            drop((keeper_lives, lock));
            Ok(code)
        }
        Fork::Child => {
            drop(keeper_lives);
            subreaper()?;
            // Signals of the terminal reach the keeper, which passes them on, once.
            rustix::process::setsid().map_err(|error| system("make a session")(error.into()))?;
            lock.name_holder().map_err(system("write down the lock's holder"))?;
            let leash = options.leash.take();
            let outside = Outside { keeper_ends, leash, keeper: own.as_raw_nonzero().get() };
            supervise(options, cgroups, outside, &lock)?;
            drop(lock);
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// What tells the supervisor about the world it was started from.
struct Outside {
    keeper_ends: OwnedFd,
    leash: Option<OwnedFd>,
    keeper: i32,
}

fn supervise(
    options: Options,
    cgroups: Cgroups,
    outside: Outside,
    lock: &Lock,
) -> Result<(), RunError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(4)
        .build()
        .map_err(system("start the runtime"))?;
    runtime.block_on(async {
        let (sender, mut events) = mpsc::channel(WAITING);
        let mut supervision = begin(options, cgroups, &sender, outside)?;
        supervision.run(&mut events).await;
        end(&mut supervision, lock).await;
        Ok::<_, RunError>(())
    })?;
    // What remains of tasks reads from pipes that nobody writes to any more.
    runtime.shutdown_background();
    // The record stays: it says which ports and sockets a proof has to look at.
    Ok(())
}

fn begin(
    options: Options,
    cgroups: Cgroups,
    sender: &mpsc::Sender<Event>,
    outside: Outside,
) -> Result<Supervision, RunError> {
    let troubles = sender.clone();
    let disk = Disk::start(
        options.state.join("logs"),
        record::file(&options.state),
        options.rotation,
        // The count also stands in the log; a loop that is too busy to hear of it goes without.
        Box::new(move |trouble| drop(troubles.try_send(Event::Trouble(trouble)))),
    )
    .map_err(system("start writing logs"))?;
    let answers = sender.clone();
    let children = Children::start(move |answer| {
        // The loop ends only with the process.
        answers.blocking_send(Event::Child(answer)).ok();
    })
    .map_err(system("start the thread of the children"))?;
    let listener =
        server::listen(&options.runtime.join(SOCKET)).map_err(system("listen on its socket"))?;
    let mut supervision = Supervision::new(Beginning {
        children,
        disk,
        cgroups,
        surroundings: Surroundings { environment: options.environment, run: options.run_id },
        listeners: Listeners::new(options.gateway_threads),
        keeper: Keeper {
            pid: u32::try_from(outside.keeper).ok(),
            program: options.keeper,
            pipe: None,
            replaced: false,
        },
        runtime: options.runtime,
    });
    watch_signals(&mut supervision, sender).map_err(system("handle signals"))?;
    sys::hold_signals(false);
    watch_pipe(&mut supervision, outside.keeper_ends, Event::KeeperEnded)
        .map_err(system("watch the keeper"))?;
    if let Some(leash) = outside.leash {
        watch_pipe(&mut supervision, leash, Event::LeashEnded)
            .map_err(system("watch the leash"))?;
    }
    let record = record::file(&options.state);
    supervision.record_first(&record).map_err(RecordError::from)?;
    accept(&mut supervision, listener, sender.clone());
    for process in options.platform {
        supervision.add_worker(process);
    }
    Ok(supervision)
}

fn watch_signals(supervision: &mut Supervision, sender: &mpsc::Sender<Event>) -> io::Result<()> {
    let mut children = signal(SignalKind::child())?;
    let exits = sender.clone();
    supervision.tasks.spawn("exits", async move {
        while children.recv().await.is_some() {
            exits.send(Event::ChildExited).await.ok()?;
        }
        None
    });
    for kind in [SignalKind::terminate(), SignalKind::interrupt(), SignalKind::hangup()] {
        let mut signals = signal(kind)?;
        let stops = sender.clone();
        supervision.tasks.spawn("signals", async move {
            while signals.recv().await.is_some() {
                stops.send(Event::StopSignal).await.ok()?;
            }
            None
        });
    }
    Ok(())
}

/// Waits for the other end of a pipe to be closed; a byte from there lets go of it for good.
fn watch_pipe(supervision: &mut Supervision, end: OwnedFd, event: Event) -> io::Result<()> {
    use tokio::io::AsyncReadExt as _;
    let mut pipe = pipe::Receiver::from_owned_fd(end)?;
    supervision.tasks.spawn("pipe", async move {
        let let_go = pipe.read(&mut [0; 1]).await.is_ok_and(|read| 0 < read);
        (!let_go).then_some(event)
    });
    Ok(())
}

fn accept(supervision: &mut Supervision, listener: UnixListener, sender: mpsc::Sender<Event>) {
    supervision.tasks.spawn("accept", async move {
        let mut connections = runtime::TaskGroup::new();
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        connections.spawn("connection", server::serve(stream, sender.clone()));
                    }
                    // Out of descriptors, most likely; waiting is all that helps.
                    Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
                },
                // A connection's end concerns nobody.
                Some(_) = connections.next() => {}
            }
        }
    });
}

/// Everything was stopped: makes sure of it, says so, and leaves nothing.
async fn end(supervision: &mut Supervision, lock: &Lock) {
    supervision.listeners.close();
    let clock = supervision.clock;
    let begun = clock.now();
    while clock.now().saturating_sub(begun) < PREDECESSOR {
        let own = std::process::id();
        let all = process_table::processes();
        let roots = std::collections::HashSet::from([own]);
        let left = process_table::descendants(&all, &roots);
        if left.is_empty() {
            break;
        }
        for process in left {
            process_table::kill(process);
        }
        supervision.children.order(Order::Reap);
        pause_for(Duration::from_millis(1));
    }
    // Not before the second keeper is gone, which would take this for the supervisor's death.
    supervision.keeper.pipe = None;
    supervision.cgroups.remove();
    supervision.disk.flush();
    std::fs::remove_file(supervision.runtime.join(SOCKET)).ok();
    lock.forget_holder();
    let askers = supervision.stop.take().map(|stop| stop.askers).unwrap_or_default();
    for asker in &askers {
        asker.reply(Reply::Done);
    }
    let begun = clock.now();
    while askers.iter().any(server::Asker::waits) && clock.now().saturating_sub(begun) < FAREWELL {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}
