//! A client's connection: one request after another, until one side has had enough.
//!
//! Requests that were sent ahead wait in `unread`; they are answered in order, never at once. After
//! a refusal nothing more is read as a request, since where it would begin is what is in doubt.

use std::future::poll_fn;
use std::io::Write as _;
use std::net::IpAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio::net::TcpStream;

use crate::dispatch::{self, Start};
use crate::exchange::{Ending, Exchange, Method};
use crate::failure::{Failure, Rejection};
use crate::http1::{Persistence, Refusal};
use crate::metrics::ListenerCounters;
use crate::respond::{self, Addressee, Body};
use crate::shard::Shard;
use crate::timer::{Ticks, Timer};
use crate::tunnel;

/// What one read of a head takes at most; a body that comes along may fill the rest.
const HEAD_READ: usize = 64 << 10;
/// How long and how much a client may go on sending after a refusal, so that it sees the refusal
/// rather than a reset.
const LINGER: Duration = Duration::from_secs(2);
const LINGER_BYTES: usize = 1 << 20;
/// How long idle connections are kept once the end has begun: a request may be under way.
const LAST_CALL: Duration = Duration::from_millis(200);

/// One client.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) shard: Rc<Shard>,
    pub(crate) stream: TcpStream,
    pub(crate) peer: Peer,
    /// The listener's number.
    pub(crate) listener: usize,
    pub(crate) timer: Timer,
    /// Read, but not yet understood.
    pub(crate) unread: Vec<u8>,
    counters: Arc<[ListenerCounters]>,
    phase: Phase,
}

/// What the connection is waiting for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    /// The first byte of a request.
    Idle,
    /// The rest of a head.
    Head,
    /// Idle, and the thread is coming to its end.
    LastCall,
}

/// A client's address as text, ready to be written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer {
    text: [u8; 45],
    length: usize,
}

impl Peer {
    fn new(address: IpAddr) -> Self {
        let mut text = [0; 45];
        let mut rest = text.as_mut_slice();
        // 45 bytes hold the longest address, so this cannot fail.
        let length = match write!(rest, "{}", address.to_canonical()) {
            Ok(()) => 45 - rest.len(),
            Err(_) => 0,
        };
        Self { text, length }
    }

    /// The text.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.text.get(..self.length).unwrap_or_default()
    }
}

impl Connection {
    /// A connection that was just accepted.
    pub(crate) fn new(
        shard: Rc<Shard>,
        (stream, address): (TcpStream, IpAddr),
        (listener, counters): (usize, Arc<[ListenerCounters]>),
    ) -> Self {
        let timer = shard.timers.take();
        if let Some(counters) = counters.get(shard.index) {
            counters.accepted.add(1);
        }
        let peer = Peer::new(address);
        let unread = Vec::new();
        Self { shard, stream, peer, listener, timer, unread, counters, phase: Phase::Idle }
    }

    /// Serves it to its end.
    pub(crate) async fn serve(mut self) {
        self.timer.set(self.shard.waits.head);
        loop {
            let persistence = match poll_fn(|cx| self.poll_start(cx)).await {
                Start::End => return,
                Start::Answer(answer, persistence) => self.answer(&answer, persistence).await,
                Start::Exchange(exchange) => self.exchange(exchange).await,
            };
            if persistence == Persistence::Close {
                return;
            }
            self.phase = Phase::Idle;
            self.timer.set(self.shard.waits.idle);
        }
    }

    async fn exchange(&mut self, mut exchange: Box<Exchange>) -> Persistence {
        let ending = poll_fn(|cx| exchange.poll(cx, self)).await;
        match ending {
            Ending::Finished(persistence) => {
                let is_consumed = exchange.upload.is_consumed() && self.unread.is_empty();
                self.shard.recycle(exchange);
                if persistence == Persistence::Close && !is_consumed {
                    self.linger().await;
                }
                persistence
            }
            Ending::Failed(failure) => {
                // Only if all of the request was read is it certain where the next one begins.
                let certain = exchange.upload.is_consumed()
                    && !matches!(failure, Failure::Refused(_))
                    && !self.shard.draining();
                let wanted = exchange.facts.persistence;
                let persistence = if certain { wanted } else { Persistence::Close };
                let answer = self.failure(&exchange, failure, persistence);
                drop(exchange);
                self.answer(&answer, persistence).await
            }
            Ending::Aborted => {
                // A reset, so that what was sent cannot be taken for a whole response.
                drop(self.stream.set_zero_linger());
                Persistence::Close
            }
            Ending::Tunnel(upstream, lease) => {
                self.shard.recycle(exchange);
                Box::pin(tunnel::run(self, upstream)).await;
                drop(lease);
                Persistence::Close
            }
        }
    }

    fn failure(&self, exchange: &Exchange, failure: Failure, persistence: Persistence) -> Vec<u8> {
        let facts = &exchange.facts;
        let to = Addressee {
            form: facts.form,
            body: if facts.method == Method::Head { Body::Omitted } else { Body::Sent },
            version: facts.version,
            persistence,
            request_id: facts.request_id.as_bytes(),
        };
        let mut out = Vec::new();
        respond::write_failure(&mut out, &self.shard, &to, (failure, &exchange.upstream().name));
        out
    }

    /// Waits for a head and begins what it asks for, in the same poll.
    fn poll_start(&mut self, cx: &mut Context<'_>) -> Poll<Start> {
        self.timer.register(cx);
        if self.phase == Phase::Idle && !self.unread.is_empty() {
            let bytes = std::mem::take(&mut self.unread);
            if let Some(start) = self.begin(cx, &bytes) {
                return Poll::Ready(start);
            }
        }
        let shard = Rc::clone(&self.shard);
        loop {
            if self.timer.expired() {
                return Poll::Ready(self.expired());
            }
            let mut scratch = shard.scratch.borrow_mut();
            let mut buffer = ReadBuf::new(scratch.get_mut(..HEAD_READ).unwrap_or_default());
            match Pin::new(&mut self.stream).poll_read(cx, &mut buffer) {
                Poll::Pending => {
                    if shard.draining() && self.phase == Phase::Idle {
                        self.phase = Phase::LastCall;
                        self.timer.set(Ticks::at_least(LAST_CALL));
                    }
                    return Poll::Pending;
                }
                Poll::Ready(Err(_)) => return Poll::Ready(Start::End),
                Poll::Ready(Ok(())) => {}
            }
            let bytes = buffer.filled();
            if bytes.is_empty() {
                return Poll::Ready(Start::End);
            }
            if self.phase != Phase::Head {
                if let Some(start) = self.begin(cx, bytes) {
                    return Poll::Ready(start);
                }
                continue;
            }
            let before = self.unread.len();
            self.unread.extend_from_slice(bytes);
            if self.may_be_complete(before) {
                let bytes = std::mem::take(&mut self.unread);
                if let Some(start) = self.begin(cx, &bytes) {
                    return Poll::Ready(start);
                }
            }
        }
    }

    /// Begins the request at the start of `bytes`; what is left of them, or all while the head is
    /// incomplete, becomes `unread`.
    fn begin(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Option<Start> {
        let start = dispatch::begin(self, cx, bytes);
        if start.is_none() {
            if self.phase != Phase::Head {
                self.phase = Phase::Head;
                self.timer.set(self.shard.waits.head);
            }
            self.unread.extend_from_slice(bytes);
        }
        start
    }

    /// Whether the bytes after `before` may have ended the head, or made it too large: a head that
    /// comes in many pieces is not to be parsed at each of them.
    fn may_be_complete(&self, before: usize) -> bool {
        let new = self.unread.get(before.saturating_sub(3)..).unwrap_or_default();
        self.shard.shared.limits.head_bytes <= self.unread.len()
            || memchr::memmem::find(new, b"\n\r\n").is_some()
            || memchr::memmem::find(new, b"\n\n").is_some()
    }

    fn expired(&self) -> Start {
        if self.phase != Phase::Head {
            return Start::End;
        }
        self.shard.shared.metrics.thread(self.shard.index).reject(Rejection::SlowHead);
        dispatch::refuse(&self.shard, Failure::SlowHead)
    }

    /// Sends an answer of our own.
    async fn answer(&mut self, answer: &[u8], persistence: Persistence) -> Persistence {
        self.timer.set(self.shard.waits.stall);
        let mut written = 0;
        let sent = poll_fn(|cx| {
            while let Some(rest) = answer.get(written..).filter(|rest| !rest.is_empty()) {
                if self.timer.expired() {
                    return Poll::Ready(false);
                }
                match Pin::new(&mut self.stream).poll_write(cx, rest) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Ok(count)) => written += count,
                    Poll::Ready(Err(_)) => return Poll::Ready(false),
                }
            }
            Poll::Ready(true)
        });
        if !sent.await {
            return Persistence::Close;
        }
        if persistence == Persistence::Close {
            self.linger().await;
        }
        persistence
    }

    /// Says that nothing more will come, and waits a little for the client to notice: closing with
    /// unread bytes would reset the connection and could take the answer along.
    async fn linger(&mut self) {
        self.timer.set(Ticks::at_least(LINGER));
        let mut left = LINGER_BYTES;
        let shard = Rc::clone(&self.shard);
        poll_fn(|cx| {
            if Pin::new(&mut self.stream).poll_shutdown(cx).is_pending() {
                return Poll::Pending;
            }
            loop {
                if self.timer.expired() || left == 0 {
                    return Poll::Ready(());
                }
                let mut scratch = shard.scratch.borrow_mut();
                let mut buffer = ReadBuf::new(&mut scratch);
                match Pin::new(&mut self.stream).poll_read(cx, &mut buffer) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                        left = left.saturating_sub(buffer.filled().len());
                    }
                    Poll::Ready(_) => return Poll::Ready(()),
                }
            }
        })
        .await;
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(counters) = self.counters.get(self.shard.index) {
            counters.closed.add(1);
        }
    }
}

impl From<Refusal> for Rejection {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}
