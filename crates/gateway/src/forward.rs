//! Heads, written anew for the other side.
//!
//! Nothing that frames a message is copied: Content-Length, Transfer-Encoding, Connection and Host
//! are written from what was understood, so that the other side can only read what we read.
//! Fields that end at this hop are left out (RFC 9110, 7.6.1), those that say who the client is
//! are ours to say.

use crate::digits::push_decimal;
use crate::http1::{
    Expectation, Field, Framing, Persistence, RequestHead, ResponseFraming, ResponseHead, Upgrade,
    Version,
};
use crate::shard::Shard;
use crate::trace::{self, Ids, RequestId, TraceId};

/// Whether the sender's word about the client and the trace is taken.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Trust {
    /// A client from outside: its word is replaced.
    Outside,
    /// A service behind us: its word is kept and added to.
    Inside,
}

/// What a request's head is written from, beside the head itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestFacts<'a> {
    /// Normal, and stripped of what the route strips.
    pub(crate) path: &'a [u8],
    /// With its `?`, or empty.
    pub(crate) query: &'a [u8],
    /// The client's address as text.
    pub(crate) peer: &'a [u8],
    /// Whose word counts.
    pub(crate) trust: Trust,
    /// What this request is called.
    pub(crate) request_id: &'a RequestId,
    /// The trace to start when the request continues none.
    pub(crate) trace_id: &'a TraceId,
}

/// Writes the head that the upstream gets.
pub(crate) fn write_request(
    out: &mut Vec<u8>,
    head: &RequestHead<'_, '_>,
    facts: &RequestFacts<'_>,
    ids: &Ids,
) {
    out.extend_from_slice(head.method.as_bytes());
    out.push(b' ');
    out.extend_from_slice(facts.path);
    out.extend_from_slice(facts.query);
    out.extend_from_slice(b" HTTP/1.1\r\nHost: ");
    out.extend_from_slice(head.host);
    out.extend_from_slice(b"\r\n");
    let mut seen = Seen::default();
    for (kind, name, value) in head.fields() {
        let inside = facts.trust == Trust::Inside;
        let keep = match kind {
            Field::Other | Field::Accept | Field::Date => true,
            Field::Forwarded | Field::Spoof => inside,
            Field::ForwardedProto => {
                seen.proto |= inside;
                inside
            }
            Field::ForwardedHost => {
                seen.host |= inside;
                inside
            }
            Field::Connection
            | Field::ContentLength
            | Field::Expect
            | Field::Host
            | Field::RequestId
            | Field::TraceParent
            | Field::TraceState
            | Field::TransferEncoding
            | Field::Upgrade
            | Field::Hop
            | Field::Ambiguous => false,
        };
        if keep && !head.drops(name) {
            write_field(out, name.as_bytes(), value);
        }
    }
    write_request_framing(out, head);
    write_forwarded(out, head.host, facts.peer, &seen);
    // RFC 9110, 7.6.3: a gateway says that it was there.
    out.extend_from_slice(b"Via: 1.1 mainstay\r\n");
    write_field(out, b"X-Request-Id", facts.request_id.as_bytes());
    write_trace(out, head, facts.trace_id, ids);
    out.extend_from_slice(b"\r\n");
}

/// What a service behind us has said itself.
#[derive(Default)]
struct Seen {
    proto: bool,
    host: bool,
}

fn write_request_framing(out: &mut Vec<u8>, head: &RequestHead<'_, '_>) {
    match head.framing {
        Framing::None => {}
        Framing::Length(length) => {
            out.extend_from_slice(b"Content-Length: ");
            push_decimal(out, length);
            out.extend_from_slice(b"\r\n");
        }
        Framing::Chunked => out.extend_from_slice(b"Transfer-Encoding: chunked\r\n"),
    }
    if head.expectation == Expectation::Continue && head.framing != Framing::None {
        out.extend_from_slice(b"Expect: 100-continue\r\n");
    }
    if head.upgrade == Upgrade::WebSocket {
        out.extend_from_slice(b"Connection: Upgrade\r\nUpgrade: websocket\r\n");
    }
}

fn write_forwarded(out: &mut Vec<u8>, host: &[u8], peer: &[u8], seen: &Seen) {
    write_field(out, b"X-Forwarded-For", peer);
    if !seen.proto {
        out.extend_from_slice(b"X-Forwarded-Proto: http\r\n");
    }
    if !seen.host {
        write_field(out, b"X-Forwarded-Host", host);
    }
    out.extend_from_slice(b"Forwarded: for=");
    if peer.contains(&b':') {
        out.extend_from_slice(b"\"[");
        out.extend_from_slice(peer);
        out.extend_from_slice(b"]\"");
    } else {
        out.extend_from_slice(peer);
    }
    // A host was checked to hold nothing that would end the quotes.
    out.extend_from_slice(b";proto=http;host=\"");
    out.extend_from_slice(host);
    out.extend_from_slice(b"\"\r\n");
}

fn write_trace(out: &mut Vec<u8>, head: &RequestHead<'_, '_>, new: &TraceId, ids: &Ids) {
    let parent = head.single(Field::TraceParent).and_then(trace::parse_traceparent);
    out.extend_from_slice(b"traceparent: 00-");
    let (trace_id, flags) = parent.unwrap_or((new, b"01"));
    out.extend_from_slice(trace_id);
    out.push(b'-');
    out.extend_from_slice(&ids.span_id());
    out.push(b'-');
    out.extend_from_slice(flags);
    out.extend_from_slice(b"\r\n");
    if parent.is_some() {
        for (kind, name, value) in head.fields() {
            if kind == Field::TraceState {
                write_field(out, name.as_bytes(), value);
            }
        }
    }
}

/// How a response's body goes to the client.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Encoding {
    /// As it is.
    Raw,
    /// In chunks of our own.
    Chunked,
}

/// What a response's head is written from, beside the head itself.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ResponseFacts<'a> {
    pub(crate) version: Version,
    pub(crate) persistence: Persistence,
    pub(crate) encoding: Encoding,
    pub(crate) request_id: &'a [u8],
    pub(crate) shard: &'a Shard,
}

/// Writes the head that the client gets.
pub(crate) fn write_response(
    out: &mut Vec<u8>,
    head: &ResponseHead<'_, '_>,
    facts: &ResponseFacts<'_>,
) {
    write_status(out, head.status, head.reason);
    let switching = head.status == 101;
    let mut dated = false;
    for (kind, name, value) in head.fields() {
        let keep = match kind {
            Field::Connection
            | Field::Hop
            | Field::TransferEncoding
            | Field::Upgrade
            | Field::RequestId => false,
            // Where there is no body it still says how long one would be.
            Field::ContentLength => {
                head.framing == ResponseFraming::None && 200 <= head.status && head.status != 204
            }
            Field::Date => {
                dated = true;
                true
            }
            _ => true,
        };
        if keep && !head.drops(name) {
            write_field(out, name.as_bytes(), value);
        }
    }
    if head.status < 200 && !switching {
        out.extend_from_slice(b"\r\n");
        return;
    }
    if let ResponseFraming::Length(length) = head.framing {
        out.extend_from_slice(b"Content-Length: ");
        push_decimal(out, length);
        out.extend_from_slice(b"\r\n");
    }
    if facts.encoding == Encoding::Chunked {
        out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
    }
    if !dated {
        out.extend_from_slice(b"Date: ");
        facts.shard.push_date(out);
        out.extend_from_slice(b"\r\n");
    }
    write_field(out, b"X-Request-Id", facts.request_id);
    if switching {
        out.extend_from_slice(b"Connection: Upgrade\r\nUpgrade: websocket\r\n");
    } else {
        write_persistence(out, facts.version, facts.persistence);
    }
    out.extend_from_slice(b"\r\n");
}

/// Writes a status line.
pub(crate) fn write_status(out: &mut Vec<u8>, status: u16, reason: &str) {
    out.extend_from_slice(b"HTTP/1.1 ");
    push_decimal(out, u64::from(status));
    out.push(b' ');
    out.extend_from_slice(reason.as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// Writes what the client must know of its connection's future.
pub(crate) fn write_persistence(out: &mut Vec<u8>, version: Version, persistence: Persistence) {
    match (version, persistence) {
        (_, Persistence::Close) => out.extend_from_slice(b"Connection: close\r\n"),
        (Version::Http10, Persistence::KeepAlive) => {
            out.extend_from_slice(b"Connection: keep-alive\r\n");
        }
        (Version::Http11, Persistence::KeepAlive) => {}
    }
}

fn write_field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}
