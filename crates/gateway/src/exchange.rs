//! One request and its response: the request goes up, the response comes down, at the same time if
//! they like.
//!
//! A state machine that is polled, not a sequence of awaits: the upstream is written to in the same
//! poll in which the client was read, and the client in the same poll in which the upstream
//! answered. On the plain path that is four system calls, two wake-ups and no allocation.
//!
//! A request is tried again only when nothing can have come of it: no connection was made, or the
//! connection ended before the first byte of an answer and the method is idempotent, and all that
//! was sent is still at hand.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::ReadBuf;
use tokio::net::TcpStream;

use crate::balance::{self, Tried};
use crate::connection::Connection;
use crate::download::Download;
use crate::endpoint::{Endpoint, Idle};
use crate::failure::Failure;
use crate::http1::{Persistence, Refusal, Upgrade, Version};
use crate::respond::Form;
use crate::shard::View;
use crate::snapshot::{Route, Upstream};
use crate::socket;
use crate::trace::RequestId;
use crate::upload::Upload;

/// Bytes moved per poll before other connections get their turn.
pub(crate) const TURN: usize = 256 << 10;

/// A request that must not be sent twice only goes to a connection that was used this recently, as
/// an upstream that closes idle connections might just be closing an older one.
const FRESH: Duration = Duration::from_secs(1);

/// What a method allows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Method {
    /// The response has no body; idempotent.
    Head,
    /// May be sent twice (RFC 9110, 9.2.2).
    Idempotent,
    /// May not.
    Other,
}

impl Method {
    /// What the method of that name allows.
    pub(crate) fn of(name: &str) -> Self {
        match name {
            "HEAD" => Self::Head,
            "GET" | "OPTIONS" | "PUT" | "DELETE" => Self::Idempotent,
            _ => Self::Other,
        }
    }
}

/// What stays known of the client's request.
#[derive(Debug)]
pub(crate) struct Facts {
    pub(crate) request_id: RequestId,
    pub(crate) method: Method,
    pub(crate) version: Version,
    pub(crate) persistence: Persistence,
    pub(crate) upgrade: Upgrade,
    pub(crate) form: Form,
    /// When its head was complete.
    pub(crate) started: Duration,
}

/// One request on its way.
#[derive(Debug)]
pub(crate) struct Exchange {
    pub(crate) view: View,
    pub(crate) route: usize,
    pub(crate) facts: Facts,
    pub(crate) link: Link,
    pub(crate) upload: Upload,
    pub(crate) download: Download,
    lease: Option<Lease>,
    origin: Origin,
    retries: u32,
    tried: Tried,
    client: Client,
    /// It failed before it began.
    given_up: Option<Failure>,
}

/// The way to the upstream.
pub(crate) enum Link {
    /// A connection is being made.
    Connecting(Pin<Box<dyn Future<Output = io::Result<TcpStream>>>>),
    /// There is one.
    Open(TcpStream),
    /// There is none.
    Closed,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(match self {
            Self::Connecting(_) => "Connecting",
            Self::Open(_) => "Open",
            Self::Closed => "Closed",
        })
    }
}

/// Where the connection came from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Origin {
    Pool,
    New,
}

/// What is known of the client while it waits.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Client {
    Silent,
    /// It has sent something already: its next request.
    Ahead,
}

/// An endpoint's attention; given back when dropped.
#[derive(Debug)]
pub(crate) struct Lease(Arc<Endpoint>);

impl Drop for Lease {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// How an exchange ended.
#[derive(Debug)]
pub(crate) enum Ending {
    /// The response was sent whole.
    Finished(Persistence),
    /// Nothing was sent yet; the client is to be told.
    Failed(Failure),
    /// Part of a response was sent; the connection is to end so that nobody takes it for whole.
    Aborted,
    /// Both sides speak another protocol from here on; the endpoint is busy as long as they do.
    Tunnel(TcpStream, Option<Lease>),
}

impl Exchange {
    /// An exchange that has no upstream yet.
    pub(crate) fn new(view: View, route: usize, facts: Facts, upload: Upload) -> Self {
        Self {
            view,
            route,
            facts,
            link: Link::Closed,
            upload,
            download: Download::default(),
            lease: None,
            origin: Origin::New,
            retries: 0,
            tried: Tried::default(),
            client: Client::Silent,
            given_up: None,
        }
    }

    /// Ends it at the next poll.
    pub(crate) fn give_up(&mut self, failure: Failure) {
        self.given_up = Some(failure);
    }

    /// The route it takes.
    pub(crate) fn route(&self) -> &Route {
        self.view.route(self.route)
    }

    /// The service it goes to.
    pub(crate) fn upstream(&self) -> &Upstream {
        self.view.upstream(self.route().upstream)
    }

    /// Takes an endpoint, and a connection to it or the way to one.
    pub(crate) fn connect(
        &mut self,
        cx: &mut Context<'_>,
        connection: &Connection,
        origin: Reuse,
    ) -> Result<(), Failure> {
        let shard = &connection.shard;
        self.link = Link::Closed;
        self.lease = None;
        let route = self.view.route(self.route);
        let upstream = self.view.upstream(route.upstream);
        let index =
            balance::pick(&upstream.endpoints, self.tried, shard.ids.next(), shard.coarse_now());
        let index = index.ok_or(Failure::NoEndpoint)?;
        let endpoint = upstream.endpoints.get(index).ok_or(Failure::NoEndpoint)?;
        endpoint.begin();
        self.tried.add(index);
        self.lease = Some(Lease(Arc::clone(endpoint)));
        let pooled = match origin {
            Reuse::Never => None,
            Reuse::Allowed if self.facts.method == Method::Other => {
                endpoint.take(shard.index, shard.ticks_ago(FRESH), cx)
            }
            Reuse::Allowed => endpoint.take(shard.index, shard.oldest_idle(), cx),
        };
        match pooled {
            Some(stream) => {
                self.origin = Origin::Pool;
                self.link = Link::Open(stream);
                connection.timer.set(route.timeout);
            }
            None => {
                self.origin = Origin::New;
                self.link = Link::Connecting(Box::pin(TcpStream::connect(endpoint.plan.address)));
                connection.timer.set(upstream.connect_timeout);
            }
        }
        Ok(())
    }

    /// Moves whatever can be moved.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        connection: &mut Connection,
    ) -> Poll<Ending> {
        if let Some(failure) = self.given_up.take() {
            return Poll::Ready(self.fail(connection, failure));
        }
        let mut budget = TURN;
        loop {
            let moved = match self.turn(cx, connection, &mut budget) {
                Ok(Turn::Moved) => true,
                Ok(Turn::Blocked) => false,
                Ok(Turn::Over(ending)) => return Poll::Ready(ending),
                Err(failure) => match self.retry(cx, connection, failure) {
                    Ok(()) => true,
                    Err(failure) => return Poll::Ready(self.fail(connection, failure)),
                },
            };
            if !moved {
                return Poll::Pending;
            }
            if budget == 0 {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
    }

    fn turn(
        &mut self,
        cx: &mut Context<'_>,
        connection: &mut Connection,
        budget: &mut usize,
    ) -> Result<Turn, Failure> {
        if connection.timer.expired() {
            return Err(self.expired());
        }
        let connected = self.poll_link(cx, connection)?;
        let Link::Open(stream) = &mut self.link else {
            self.poll_client(cx, connection)?;
            return Ok(Turn::Blocked);
        };
        let was_complete = self.upload.is_complete();
        let sent = self.upload.poll(cx, stream, connection, budget)?;
        let route = self.view.route(self.route);
        if self.upload.is_complete() && !was_complete {
            connection.timer.set(route.timeout);
        }
        let settled = self.upload.is_complete();
        let received =
            self.download.poll((cx, budget), stream, connection, (&mut self.facts, settled))?;
        if self.download.is_complete() {
            return Ok(Turn::Over(self.finish(connection)));
        }
        if self.download.has_begun() && received {
            let stalled = self.download.is_blocked();
            let waits = &connection.shard.waits;
            connection.timer.set(if stalled { waits.stall } else { waits.silence });
        } else if sent && !settled {
            connection.timer.set(connection.shard.waits.stall);
        }
        if sent || received || connected {
            return Ok(Turn::Moved);
        }
        if settled {
            self.poll_client(cx, connection)?;
        }
        Ok(Turn::Blocked)
    }

    /// Waits for the connection; says whether it has just been made.
    fn poll_link(
        &mut self,
        cx: &mut Context<'_>,
        connection: &Connection,
    ) -> Result<bool, Failure> {
        let Link::Connecting(future) = &mut self.link else { return Ok(false) };
        let Poll::Ready(result) = future.as_mut().poll(cx) else { return Ok(false) };
        let stream = result.and_then(|stream| {
            stream.set_nodelay(true)?;
            if let Some(Lease(endpoint)) = &self.lease {
                socket::calm(&stream, endpoint.plan.address.ip())?;
            }
            Ok(stream)
        });
        let Ok(stream) = stream else { return Err(Failure::Unreachable) };
        if let Some(Lease(endpoint)) = &self.lease {
            endpoint.connected();
        }
        self.link = Link::Open(stream);
        connection.timer.set(self.route().timeout);
        Ok(true)
    }

    /// Notices a client that leaves while it waits. One that only closes its half is taken for one
    /// that left, as elsewhere: the two look the same until something is sent.
    fn poll_client(
        &mut self,
        cx: &mut Context<'_>,
        connection: &mut Connection,
    ) -> Result<(), Failure> {
        if self.client == Client::Ahead || !connection.unread.is_empty() {
            return Ok(());
        }
        let mut byte = [0];
        match connection.stream.poll_peek(cx, &mut ReadBuf::new(&mut byte)) {
            Poll::Pending => Ok(()),
            Poll::Ready(Ok(0) | Err(_)) => Err(Failure::ClientGone),
            Poll::Ready(Ok(_)) if self.facts.upgrade == Upgrade::WebSocket => {
                Err(Failure::Refused(Refusal::EarlyBytes))
            }
            Poll::Ready(Ok(_)) => {
                self.client = Client::Ahead;
                Ok(())
            }
        }
    }

    /// Which failure it is that the deadline has passed.
    fn expired(&self) -> Failure {
        if matches!(self.link, Link::Connecting(_)) {
            Failure::ConnectTimeout
        } else if self.download.has_begun() {
            if self.download.is_blocked() { Failure::ClientGone } else { Failure::Truncated }
        } else if self.upload.waits_for_client() {
            Failure::SlowBody
        } else {
            Failure::AnswerTimeout
        }
    }

    /// Tries elsewhere, when the failure and the request allow it; else returns the failure.
    fn retry(
        &mut self,
        cx: &mut Context<'_>,
        connection: &Connection,
        failure: Failure,
    ) -> Result<(), Failure> {
        let reuse = match failure {
            Failure::Unreachable | Failure::ConnectTimeout => {
                if let Some(Lease(endpoint)) = &self.lease {
                    endpoint.connect_failed(connection.shard.now());
                }
                Reuse::Allowed
            }
            // Nothing was read of the answer, so nothing is lost if it is asked for again.
            Failure::NoAnswer if self.facts.method != Method::Other => Reuse::Never,
            _ => return Err(failure),
        };
        if !self.upload.can_replay() || self.download.has_received() {
            return Err(failure);
        }
        // A connection that was closed while it idled says nothing about the endpoint.
        let stale = failure == Failure::NoAnswer && self.origin == Origin::Pool;
        if stale {
            self.tried = Tried::default();
        } else if self.retries < self.route().retries {
            self.retries += 1;
        } else {
            return Err(failure);
        }
        self.route().metrics.thread(connection.shard.index).retry();
        self.upload.rewind();
        // With nobody left to try, what went wrong says more than that nobody is left.
        self.connect(cx, connection, reuse).map_err(|_nobody_left| failure)
    }

    fn fail(&mut self, connection: &Connection, failure: Failure) -> Ending {
        self.link = Link::Closed;
        self.lease = None;
        let status = match self.download.status() {
            Some(status) if failure != Failure::ClientGone => status,
            _ => failure.status(),
        };
        self.record(connection, status, Some(failure));
        if self.download.has_begun() || failure == Failure::ClientGone {
            return Ending::Aborted;
        }
        Ending::Failed(failure)
    }

    fn finish(&mut self, connection: &Connection) -> Ending {
        let shard = &connection.shard;
        let status = self.download.status().unwrap_or_default();
        self.record(connection, status, None);
        let lease = self.lease.take();
        let Link::Open(stream) = std::mem::replace(&mut self.link, Link::Closed) else {
            return Ending::Finished(Persistence::Close);
        };
        if status == 101 {
            return Ending::Tunnel(stream, lease);
        }
        if !self.upload.is_complete() {
            return Ending::Finished(Persistence::Close);
        }
        if let Some(Lease(endpoint)) = &lease
            && self.download.upstream_persistence() == Persistence::KeepAlive
        {
            endpoint.put(shard.index, Idle { stream, since: shard.timers.now() });
        }
        Ending::Finished(self.facts.persistence)
    }

    fn record(&self, connection: &Connection, status: u16, failure: Option<Failure>) {
        let shard = &connection.shard;
        let duration = shard.now().saturating_sub(self.facts.started);
        let metrics = self.route().metrics.thread(shard.index);
        metrics.finish(status, duration, failure.map(Failure::cause));
    }
}

/// Whether an idle connection will do.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Reuse {
    Allowed,
    Never,
}

enum Turn {
    Moved,
    Blocked,
    Over(Ending),
}
