//! From the bytes of a head to what is to be done about it: an answer of our own, or an exchange
//! with an upstream that has already begun.

use std::rc::Rc;
use std::task::Context;

use crate::connection::Connection;
use crate::exchange::{Exchange, Facts, Method, Reuse};
use crate::failure::{Failure, Rejection};
use crate::forward::{self, RequestFacts, Trust};
use crate::http1::{
    self, ChunkDecoder, Field, FieldStore, Framing, NormalPath, Persistence, Refusal, RequestHead,
    Target, Upgrade, Version,
};
use crate::page;
use crate::respond::{self, Addressee, Body, Form};
use crate::route::RouteTable;
use crate::shard::{Shard, View};
use crate::snapshot::{Listener, Route};
use crate::trace::RequestId;
use crate::upload::{self, Upload};

/// What is to be done.
#[derive(Debug)]
pub(crate) enum Start {
    /// Nothing; the connection is over.
    End,
    /// These bytes are to be sent.
    Answer(Vec<u8>, Persistence),
    /// A request is on its way.
    Exchange(Box<Exchange>),
}

/// Begins the request at the start of `bytes`; `None` while its head is incomplete.
pub(crate) fn begin(
    connection: &mut Connection,
    cx: &mut Context<'_>,
    bytes: &[u8],
) -> Option<Start> {
    let shard = Rc::clone(&connection.shard);
    let limit = shard.shared.limits.head_bytes;
    let mut store = FieldStore::new();
    let head = match http1::parse_request(bytes, &mut store) {
        Err(refusal) => return Some(reject(&shard, refusal)),
        Ok(Some(head)) if head.length <= limit => head,
        Ok(Some(_)) => return Some(reject(&shard, Refusal::HeadTooLarge)),
        Ok(None) if bytes.len() < limit => return None,
        Ok(None) => {
            let line_ended = memchr::memchr(b'\n', bytes).is_some();
            let refusal = if line_ended { Refusal::HeadTooLarge } else { Refusal::TargetTooLong };
            return Some(reject(&shard, refusal));
        }
    };
    let rest = bytes.get(head.length..).unwrap_or_default();
    Some(match start(connection, cx, (&head, rest)) {
        Ok(start) => start,
        Err(Failure::Refused(refusal)) => reject(&shard, refusal),
        Err(failure) => {
            let rejection = match failure {
                Failure::NoListener => Some(Rejection::NoListener),
                Failure::NoRoute => Some(Rejection::NoRoute),
                _ => None,
            };
            if let Some(rejection) = rejection {
                shard.shared.metrics.thread(shard.index).reject(rejection);
            }
            connection.unread = rest.to_vec();
            let id = shard.ids.trace_id().into();
            let to = addressee(&shard, &head, &id);
            let mut out = Vec::new();
            respond::write_failure(&mut out, &shard, &to, (failure, ""));
            Start::Answer(out, to.persistence)
        }
    })
}

/// Answers what could not be understood.
pub(crate) fn refuse(shard: &Shard, failure: Failure) -> Start {
    let request_id = RequestId::from(shard.ids.trace_id());
    let to = Addressee {
        form: Form::Text,
        body: Body::Sent,
        version: Version::Http11,
        persistence: Persistence::Close,
        request_id: request_id.as_bytes(),
    };
    let mut out = Vec::new();
    respond::write_failure(&mut out, shard, &to, (failure, ""));
    Start::Answer(out, Persistence::Close)
}

fn reject(shard: &Shard, refusal: Refusal) -> Start {
    shard.shared.metrics.thread(shard.index).reject(refusal.into());
    refuse(shard, Failure::Refused(refusal))
}

/// How to answer a request that was understood. With a body still to come, nothing can follow.
fn addressee<'a>(shard: &Shard, head: &RequestHead<'_, '_>, id: &'a RequestId) -> Addressee<'a> {
    let bodiless = matches!(head.framing, Framing::None | Framing::Length(0));
    let keep = bodiless && head.upgrade == Upgrade::None && !shard.draining();
    Addressee {
        form: Form::of(head),
        body: if head.method == "HEAD" { Body::Omitted } else { Body::Sent },
        version: head.version,
        persistence: if keep { head.persistence } else { Persistence::Close },
        request_id: id.as_bytes(),
    }
}

/// The path as it is matched and forwarded.
struct Path<'a> {
    path: &'a [u8],
    query: &'a [u8],
    /// How an origin that decodes separators first would read it, when that differs.
    decoded: Option<&'a [u8]>,
}

fn start(
    connection: &mut Connection,
    cx: &mut Context<'_>,
    (head, rest): (&RequestHead<'_, '_>, &[u8]),
) -> Result<Start, Failure> {
    let shard = Rc::clone(&connection.shard);
    if head.upgrade == Upgrade::WebSocket && !rest.is_empty() {
        return Err(Failure::Refused(Refusal::EarlyBytes));
    }
    let (path, query) = match head.target {
        Target::Path { path, query } => (path, query),
        Target::Asterisk => {
            let id = shard.ids.trace_id().into();
            let to = addressee(&shard, head, &id);
            let mut out = Vec::new();
            respond::write_options(&mut out, &shard, &to);
            connection.unread = rest.to_vec();
            return Ok(Start::Answer(out, to.persistence));
        }
    };
    let normal = http1::normalise(path).map_err(Failure::Refused)?;
    let path = match &normal {
        NormalPath::Same => Path { path, query, decoded: None },
        NormalPath::Changed { path, decoded } => Path { path, query, decoded: decoded.as_deref() },
    };
    let view = shard.view();
    let (route, trust) = match view.listener(connection.listener).ok_or(Failure::NoListener)? {
        Listener::Public(table) => (find(table, head.host, &path)?, Trust::Outside),
        Listener::Internal(route) => (*route, Trust::Inside),
        Listener::Metrics => {
            if path.path != b"/metrics" {
                return Err(Failure::NoPage);
            }
            let id = shard.ids.trace_id().into();
            let to = addressee(&shard, head, &id);
            let mut out = Vec::new();
            let text = page::render(&shard.shared);
            let page = ("text/plain; version=0.0.4; charset=utf-8", text.as_bytes());
            respond::write_page(&mut out, &shard, &to, page);
            connection.unread = rest.to_vec();
            return Ok(Start::Answer(out, to.persistence));
        }
    };
    if let Framing::Length(length) = head.framing
        && shard.shared.limits.body_bytes < length
    {
        return Err(Failure::Refused(Refusal::BodyTooLarge));
    }
    let exchange = exchange(connection, (head, rest), &path, (view, route, trust));
    Ok(send(connection, cx, exchange))
}

fn find(table: &RouteTable, host: &[u8], path: &Path<'_>) -> Result<usize, Failure> {
    let route = table.find(host, path.path).ok_or(Failure::NoRoute)?;
    match path.decoded {
        // Two readings, two routes: whoever is meant to guard one of them would be passed by.
        Some(decoded) if table.find(host, decoded) != Some(route) => {
            Err(Failure::Refused(Refusal::Path))
        }
        _ => Ok(route),
    }
}

/// Writes the request for the upstream, with what of its body is already here.
fn exchange(
    connection: &mut Connection,
    (head, rest): (&RequestHead<'_, '_>, &[u8]),
    path: &Path<'_>,
    (view, route, trust): (View, usize, Trust),
) -> Box<Exchange> {
    let shard = Rc::clone(&connection.shard);
    let trace_id = shard.ids.trace_id();
    let kept = match trust {
        Trust::Outside => None,
        Trust::Inside => head.single(Field::RequestId).and_then(RequestId::parse),
    };
    let request_id = kept.unwrap_or_else(|| trace_id.into());
    let facts = RequestFacts {
        path: strip(view.route(route), path.path),
        query: path.query,
        peer: connection.peer.as_bytes(),
        trust,
        request_id: &request_id,
        trace_id: &trace_id,
    };
    let mut first = shard.take_buffer();
    forward::write_request(&mut first, head, &facts, &shard.ids);
    let (body, rest) = match head.framing {
        Framing::None => (upload::Body::Complete, rest),
        Framing::Chunked => (upload::Body::Chunked(ChunkDecoder::default()), rest),
        Framing::Length(length) => {
            let here = usize::try_from(length).map_or(rest.len(), |most| most.min(rest.len()));
            let (body, rest) = rest.split_at(here);
            first.extend_from_slice(body);
            match length - here as u64 {
                0 => (upload::Body::Complete, rest),
                remaining => (upload::Body::Length(remaining), rest),
            }
        }
    };
    if !rest.is_empty() {
        connection.unread.extend_from_slice(rest);
    }
    let facts = Facts {
        request_id,
        method: Method::of(head.method),
        version: head.version,
        persistence: head.persistence,
        upgrade: head.upgrade,
        form: Form::of(head),
        started: shard.now(),
    };
    shard.boxed(Exchange::new(view, route, facts, Upload::new(first, body)))
}

/// Removes the route's prefix; a `/` always remains.
fn strip<'a>(route: &Route, path: &'a [u8]) -> &'a [u8] {
    let prefix = route.strip.strip_suffix(b"/").unwrap_or(&route.strip);
    match path.strip_prefix(prefix) {
        None | Some([]) => {
            if route.strip.is_empty() {
                path
            } else {
                b"/"
            }
        }
        Some(rest) => rest,
    }
}

fn send(connection: &Connection, cx: &mut Context<'_>, mut exchange: Box<Exchange>) -> Start {
    let metrics = exchange.route().metrics.thread(connection.shard.index);
    metrics.start();
    if let Err(failure) = exchange.connect(cx, connection, Reuse::Allowed) {
        exchange.give_up(failure);
    }
    Start::Exchange(exchange)
}
