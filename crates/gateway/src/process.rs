//! The gateway as a process: threads that serve, and one that listens to the supervisor, to control
//! and to signals.
//!
//! It serves with what it has: the stored plan before control speaks, the sockets as they come. It
//! ends when told by a signal, after finishing what it has, or when the supervisor is gone.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::JoinHandle;

use arc_swap::ArcSwap;
use plan::GatewayPlan;
use runtime::{Shutdown, StateFile, SystemClock, TaskGroup};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::UnixListener;
use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot};

use crate::control::{self, Engine, Query};
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::shard::Shared;
use crate::snapshot::{self, Snapshot};
use crate::socket::{MOST_THREADS, Packet, PacketError, Packets};
use crate::status::GatewayPhase;
use crate::thread::{self, Order, ThreadError};

/// Orders that wait for a thread; it takes them between two turns, so few ever do.
const MOST_ORDERS: usize = 256;
/// Questions of control that wait.
const MOST_QUERIES: usize = 16;
/// Descriptors that are not connections: sockets, runtimes, the control line.
const OTHER_DESCRIPTORS: u64 = 256;

/// What a gateway is started with.
#[derive(Debug)]
pub struct Options {
    /// The Unix socket to listen on for control.
    pub control: PathBuf,
    /// Where the last plan is kept.
    pub snapshot: PathBuf,
    /// The end of a `SOCK_SEQPACKET` pair over which listening sockets come.
    pub sockets: OwnedFd,
    /// Threads that serve; each gets one socket of every listener.
    pub threads: usize,
    /// Bounds of every wait and every buffer.
    pub limits: Limits,
}

/// Why the gateway could not go on.
#[derive(Debug, thiserror::Error)]
pub enum GatewayError {
    /// A number of threads that cannot be served.
    #[error("a gateway has 1 to {MOST_THREADS} threads, not {0}")]
    Threads(usize),
    /// The control socket could not be opened.
    #[error("cannot listen on `{}`", path.display())]
    Control {
        /// Where.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The process could not be set up.
    #[error("cannot set up the gateway's main thread")]
    Setup(#[source] io::Error),
    /// The supervisor could not be understood.
    #[error(transparent)]
    Packet(#[from] PacketError),
    /// A thread could not serve.
    #[error(transparent)]
    Thread(#[from] ThreadError),
    /// A thread died.
    #[error("thread {0} of the gateway panicked")]
    Panicked(usize),
}

/// Serves until a signal says to stop or the supervisor is gone.
///
/// SIGTERM lets requests finish until a deadline; a second one does not wait.
///
/// # Errors
///
/// When it cannot start, or the supervisor breaks the contract.
pub fn run(options: Options) -> Result<(), GatewayError> {
    if !(1..=MOST_THREADS).contains(&options.threads) {
        return Err(GatewayError::Threads(options.threads));
    }
    let most_connections = options.limits.connections.unwrap_or_else(|| room(options.threads));
    let runtime =
        Builder::new_current_thread().enable_all().build().map_err(GatewayError::Setup)?;
    let file = StateFile::private(&options.snapshot);
    let (plan, problem) = match snapshot::load(&file) {
        Ok(plan) => (plan.unwrap_or_default(), None),
        // Control will send a plan; until then there is nothing to serve, and status says why.
        Err(error) => (GatewayPlan::default(), Some(error.to_string())),
    };
    let metrics = Metrics::new(options.threads);
    let first = Snapshot::new(plan, None, &metrics);
    let shared = Arc::new(Shared {
        snapshot: Arc::new(ArcSwap::from_pointee(first)),
        metrics,
        clock: SystemClock::new(),
        limits: options.limits,
    });
    let engine = Engine::new(Arc::clone(&shared), file, problem);
    runtime.block_on(async {
        let packets =
            Packets::new(options.sockets, options.threads).map_err(PacketError::Receive)?;
        let listener = listen(&options.control)
            .map_err(|source| GatewayError::Control { path: options.control, source })?;
        let threads = Threads::start(&shared, options.threads, most_connections)?;
        serve(engine, packets, listener, threads).await
    })
}

/// Connections per thread that the limit of open files has room for; each may need a second
/// descriptor for its upstream.
fn room(threads: usize) -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    let limit = match setrlimit(Resource::Nofile, raised) {
        Ok(()) => limit.maximum,
        Err(_) => limit.current,
    };
    let descriptors = limit.unwrap_or(1 << 20).saturating_sub(OTHER_DESCRIPTORS);
    usize::try_from(descriptors / 2).unwrap_or(usize::MAX).div_euclid(threads).max(16)
}

fn listen(path: &Path) -> io::Result<UnixListener> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// The serving threads as the main one sees them.
struct Threads {
    orders: Vec<mpsc::Sender<Order>>,
    ended: mpsc::Receiver<usize>,
    handles: Vec<Option<JoinHandle<Result<(), ThreadError>>>>,
}

impl Threads {
    fn start(shared: &Arc<Shared>, count: usize, most: usize) -> Result<Self, GatewayError> {
        let (end, ended) = mpsc::channel(count);
        let mut threads = Self { orders: Vec::new(), ended, handles: Vec::new() };
        for index in 0..count {
            let (orders, receiver) = mpsc::channel(MOST_ORDERS);
            let shared = Arc::clone(shared);
            let end = Ended { index, sender: end.clone() };
            let body = move || {
                let _end = end;
                thread::serve(index, shared, receiver, most)
            };
            let name = format!("gateway-{index}");
            let handle =
                std::thread::Builder::new().name(name).spawn(body).map_err(GatewayError::Setup)?;
            threads.orders.push(orders);
            threads.handles.push(Some(handle));
        }
        Ok(threads)
    }

    /// Gives each thread its order; one that has ended needs none.
    async fn order(&self, mut order: impl FnMut(usize) -> Option<Order>) {
        for (index, orders) in self.orders.iter().enumerate() {
            if let Some(order) = order(index) {
                let _ended = orders.send(order).await;
            }
        }
    }

    fn join(&mut self, index: usize) -> Result<(), GatewayError> {
        let Some(handle) = self.handles.get_mut(index).and_then(Option::take) else {
            return Ok(());
        };
        Ok(handle.join().map_err(|_panic| GatewayError::Panicked(index))??)
    }

    fn running(&self) -> bool {
        self.handles.iter().any(Option::is_some)
    }
}

/// Tells that a thread has ended, also when it panicked.
struct Ended {
    index: usize,
    sender: mpsc::Sender<usize>,
}

impl Drop for Ended {
    fn drop(&mut self) {
        // There is room for each thread once; nobody listening means the process is ending.
        let _full_or_closed = self.sender.try_send(self.index);
    }
}

async fn serve(
    mut engine: Engine,
    packets: Packets,
    listener: UnixListener,
    mut threads: Threads,
) -> Result<(), GatewayError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(GatewayError::Setup)?;
    let (queries, mut queue) =
        mpsc::channel::<(Query, oneshot::Sender<control::Answer>)>(MOST_QUERIES);
    let mut lines = TaskGroup::new();
    let shutdown = Shutdown::new();
    let deadline = drain_deadline(&shutdown, engine.limits());
    tokio::pin!(deadline);
    while threads.running() {
        tokio::select! {
            packet = packets.next() => match packet? {
                Packet::Listen { listener, address, sockets } => {
                    engine.bound(&listener, address);
                    let mut sockets = sockets.into_iter();
                    threads.order(|_| Some(Order::Listen(listener.clone(), sockets.next()?))).await;
                }
                Packet::Close(name) => threads.order(|_| Some(Order::Close(name.clone()))).await,
                Packet::End => break,
            },
            accepted = listener.accept() => if let Ok((stream, _)) = accepted {
                lines.spawn("control line", control::serve(stream, queries.clone()));
            },
            Some((query, reply)) = queue.recv() => {
                let phase = match shutdown.requested() {
                    true => GatewayPhase::Draining,
                    false => GatewayPhase::Serving,
                };
                // Who asked may have left.
                drop(reply.send(engine.answer(query, phase).await));
            },
            Some(_) = lines.next() => {},
            Some(_) = terminate.recv() => {
                if shutdown.requested() {
                    break;
                }
                shutdown.request();
                threads.order(|_| Some(Order::Drain)).await;
            },
            Some(index) = threads.ended.recv() => threads.join(index)?,
            () = &mut deadline => break,
        }
    }
    lines.stop().await;
    threads.order(|_| Some(Order::Cut)).await;
    while threads.running() {
        let Some(index) = threads.ended.recv().await else { break };
        threads.join(index)?;
    }
    Ok(())
}

async fn drain_deadline(shutdown: &Shutdown, limits: Limits) {
    shutdown.wait().await;
    tokio::time::sleep(limits.drain).await;
}
