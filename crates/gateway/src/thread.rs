//! One serving thread: its runtime, its listeners, its connections.
//!
//! One owner of the thread's state that takes one event at a time: a connection to accept, one that
//! ended, an order, a tick. Connections are tasks of the same runtime and never leave the thread.

use std::future::poll_fn;
use std::io;
use std::net::TcpListener as StdListener;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, LocalOptions};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Interval, MissedTickBehavior};

use crate::connection::Connection;
use crate::metrics::ListenerCounters;
use crate::shard::{Shard, Shared};
use crate::socket;
use crate::timer::TICK;

/// What a thread is told.
#[derive(Debug)]
pub(crate) enum Order {
    /// Accept connections here.
    Listen(String, StdListener),
    /// Accept no more here.
    Close(String),
    /// Finish what there is, then end.
    Drain,
    /// End now.
    Cut,
}

/// Why a thread could not serve.
#[derive(Debug, thiserror::Error)]
pub enum ThreadError {
    /// Its runtime could not be started.
    #[error("cannot start a thread's runtime")]
    Runtime(#[from] io::Error),
    /// The system gave no random seed.
    #[error("cannot seed a thread's ids")]
    Seed(#[from] getrandom::Error),
}

struct Listening {
    name: String,
    number: usize,
    counters: Arc<[ListenerCounters]>,
    socket: TcpListener,
}

struct Thread {
    shard: Rc<Shard>,
    orders: mpsc::Receiver<Order>,
    listeners: Vec<Listening>,
    connections: JoinSet<()>,
    ticks: Interval,
    /// Ticks while there is no connection, to whom an exact deadline could matter.
    slow_ticks: Interval,
    most_connections: usize,
    /// Set for a tick when the system could not give another descriptor.
    resting: bool,
}

enum Event {
    Order(Option<Order>),
    Tick,
    Accepted(usize, io::Result<(TcpStream, std::net::SocketAddr)>),
    Ended,
}

/// Serves until told to end.
pub(crate) fn serve(
    index: usize,
    shared: Arc<Shared>,
    orders: mpsc::Receiver<Order>,
    most_connections: usize,
) -> Result<(), ThreadError> {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    runtime.block_on(async {
        let every = |period| {
            let mut ticks = tokio::time::interval(period);
            ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
            ticks
        };
        let thread = Thread {
            shard: Rc::new(Shard::new(index, shared)?),
            orders,
            listeners: Vec::new(),
            connections: JoinSet::new(),
            ticks: every(TICK),
            slow_ticks: every(Duration::from_secs(1)),
            most_connections,
            resting: false,
        };
        thread.run().await;
        Ok(())
    })
}

impl Thread {
    async fn run(mut self) {
        loop {
            match poll_fn(|cx| self.poll_event(cx)).await {
                Event::Order(Some(Order::Listen(name, socket))) => self.listen(name, socket),
                Event::Order(Some(Order::Close(name))) => {
                    self.listeners.retain(|listening| listening.name != name);
                }
                Event::Order(Some(Order::Drain)) => {
                    self.listeners.clear();
                    self.shard.drain();
                }
                Event::Order(Some(Order::Cut) | None) => return,
                Event::Tick => {
                    self.resting = false;
                    self.shard.tick();
                }
                Event::Accepted(at, accepted) => self.accept(at, accepted),
                Event::Ended => {}
            }
            if self.shard.draining() && self.connections.is_empty() {
                return;
            }
        }
    }

    fn poll_event(&mut self, cx: &mut Context<'_>) -> Poll<Event> {
        if let Poll::Ready(order) = self.orders.poll_recv(cx) {
            return Poll::Ready(Event::Order(order));
        }
        let idle = self.connections.is_empty() && !self.resting;
        let ticks = if idle { &mut self.slow_ticks } else { &mut self.ticks };
        if ticks.poll_tick(cx).is_ready() {
            return Poll::Ready(Event::Tick);
        }
        if let Poll::Ready(Some(ended)) = self.connections.poll_join_next(cx) {
            // A task that panicked has closed its connection; the runtime has said so.
            drop(ended);
            return Poll::Ready(Event::Ended);
        }
        if self.resting || self.most_connections <= self.connections.len() {
            return Poll::Pending;
        }
        for (at, listening) in self.listeners.iter().enumerate() {
            if let Poll::Ready(accepted) = listening.socket.poll_accept(cx) {
                return Poll::Ready(Event::Accepted(at, accepted));
            }
        }
        Poll::Pending
    }

    fn listen(&mut self, name: String, socket: StdListener) {
        let (number, counters) = self.shard.shared.metrics.listener(&name);
        // Fails only without a reactor, and this runtime has one.
        if let Ok(socket) = TcpListener::from_std(socket) {
            self.listeners.retain(|listening| listening.name != name);
            self.listeners.push(Listening { name, number, counters, socket });
        }
    }

    fn accept(&mut self, at: usize, accepted: io::Result<(TcpStream, std::net::SocketAddr)>) {
        let Some(listening) = self.listeners.get(at) else { return };
        if self.connections.is_empty() {
            // The time may be a second old, and deadlines are counted from it.
            self.shard.tick();
        }
        match accepted {
            // A client that is gone already needs nothing set.
            Ok((stream, peer)) if socket::calm(&stream, peer.ip()).is_err() => drop(stream),
            Ok((stream, peer)) => {
                let connection = Connection::new(
                    Rc::clone(&self.shard),
                    (stream, peer.ip()),
                    (listening.number, Arc::clone(&listening.counters)),
                );
                self.connections.spawn_local(connection.serve());
            }
            // The client left before it was accepted.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            // No descriptor or no memory: at once it would only fail again.
            Err(_) => self.resting = true,
        }
    }
}
