//! The response on its way to the client: the head rewritten, the body as it comes, flushed at
//! once.
//!
//! Until a byte of it went out, a failure can still be told to the client. Afterwards the only
//! honest thing is to end the connection so that the response is visibly incomplete.

use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio::net::TcpStream;

use crate::connection::Connection;
use crate::digits::put_hex_before;
use crate::exchange::{Facts, Method};
use crate::failure::Failure;
use crate::forward::{self, Encoding, ResponseFacts};
use crate::http1::{
    ChunkDecoder, FieldStore, Persistence, Refusal, ResponseFraming, ResponseHead, Upgrade,
    Version, parse_response,
};
use crate::shard::{SCRATCH, Shard};
use crate::upload::{AFTER, BEFORE, frame_chunk};

/// What is read at once while the head is awaited: what comes with it is copied once more.
const HEAD_READ: usize = 64 << 10;
/// A longer head of a response is refused.
const LONGEST_HEAD: usize = 64 << 10;
/// More interim responses to one request are refused.
const MOST_INTERIM: u8 = 16;

/// A response on its way down.
#[derive(Debug)]
pub(crate) struct Download {
    state: State,
    encoding: Encoding,
    upstream: Persistence,
    status: Option<u16>,
    interim: u8,
    received: bool,
    /// What the client did not take yet.
    pending: Vec<u8>,
    written: usize,
}

#[derive(Debug)]
enum State {
    /// The head is awaited; this much of it is here.
    Head(Vec<u8>),
    Length(u64),
    Chunked(ChunkDecoder),
    UntilClose,
    Complete,
}

impl Default for Download {
    fn default() -> Self {
        Self {
            state: State::Head(Vec::new()),
            encoding: Encoding::Raw,
            upstream: Persistence::Close,
            status: None,
            interim: 0,
            received: false,
            pending: Vec::new(),
            written: 0,
        }
    }
}

impl Download {
    /// Whether the client has it whole.
    pub(crate) fn is_complete(&self) -> bool {
        matches!(self.state, State::Complete) && !self.is_blocked()
    }

    /// Whether the client is what it waits for.
    pub(crate) fn is_blocked(&self) -> bool {
        self.written < self.pending.len()
    }

    /// Whether the client may have a part of it.
    pub(crate) fn has_begun(&self) -> bool {
        self.status.is_some()
    }

    /// Whether the upstream has sent anything.
    pub(crate) fn has_received(&self) -> bool {
        self.received
    }

    /// The status that the client got.
    pub(crate) fn status(&self) -> Option<u16> {
        self.status
    }

    /// Whether the upstream's connection can be used again.
    pub(crate) fn upstream_persistence(&self) -> Persistence {
        self.upstream
    }

    /// Moves what can be moved; says whether anything was. `settled` when the request was sent
    /// whole.
    pub(crate) fn poll(
        &mut self,
        (cx, budget): (&mut Context<'_>, &mut usize),
        upstream: &mut TcpStream,
        connection: &mut Connection,
        (facts, settled): (&mut Facts, bool),
    ) -> Result<bool, Failure> {
        let shard = Rc::clone(&connection.shard);
        let mut moved = false;
        loop {
            if !self.flush(cx, connection)? {
                return Ok(moved);
            }
            if matches!(self.state, State::Complete) {
                return Ok(moved);
            }
            if *budget == 0 {
                return Ok(true);
            }
            let mut scratch = shard.scratch.borrow_mut();
            let room = scratch.get_mut(self.room()).unwrap_or_default();
            let mut buffer = ReadBuf::new(room);
            let count = match Pin::new(&mut *upstream).poll_read(cx, &mut buffer) {
                Poll::Pending => return Ok(moved),
                Poll::Ready(Ok(())) => buffer.filled().len(),
                Poll::Ready(Err(_)) => return Err(self.cut_short()),
            };
            moved = true;
            *budget = budget.saturating_sub(count);
            if 0 < count {
                self.received = true;
            }
            if let State::Head(partial) = &mut self.state {
                if count == 0 {
                    return Err(self.cut_short());
                }
                let mut out = shard.output.borrow_mut();
                out.clear();
                let bytes = scratch.get_mut(BEFORE..BEFORE + count).unwrap_or_default();
                if partial.is_empty() {
                    self.take_head(&shard, &mut out, bytes, (facts, settled))?;
                } else {
                    let mut whole = std::mem::take(partial);
                    whole.extend_from_slice(bytes);
                    self.take_head(&shard, &mut out, &mut whole, (facts, settled))?;
                }
                self.write(cx, connection, &out)?;
            } else {
                let encoded = self.encode(&mut scratch, count)?;
                self.write(cx, connection, scratch.get(encoded).unwrap_or_default())?;
            }
        }
    }

    /// Where in scratch the next read goes.
    fn room(&self) -> std::ops::Range<usize> {
        let most = match &self.state {
            State::Head(_) => HEAD_READ,
            State::Length(remaining) => {
                usize::try_from(*remaining).map_or(SCRATCH, |remaining| remaining.min(SCRATCH))
            }
            State::Chunked(_) | State::UntilClose | State::Complete => SCRATCH,
        };
        BEFORE..(BEFORE + most).min(SCRATCH - AFTER)
    }

    const fn cut_short(&self) -> Failure {
        if self.status.is_some() { Failure::Truncated } else { Failure::NoAnswer }
    }

    fn flush(
        &mut self,
        cx: &mut Context<'_>,
        connection: &mut Connection,
    ) -> Result<bool, Failure> {
        while let Some(rest) = self.pending.get(self.written..).filter(|rest| !rest.is_empty()) {
            match Pin::new(&mut connection.stream).poll_write(cx, rest) {
                Poll::Pending => return Ok(false),
                Poll::Ready(Ok(count)) => self.written += count,
                Poll::Ready(Err(_)) => return Err(Failure::ClientGone),
            }
        }
        if !self.pending.is_empty() {
            self.pending = Vec::new();
            self.written = 0;
        }
        Ok(true)
    }

    fn write(
        &mut self,
        cx: &mut Context<'_>,
        connection: &mut Connection,
        bytes: &[u8],
    ) -> Result<(), Failure> {
        if bytes.is_empty() {
            return Ok(());
        }
        match Pin::new(&mut connection.stream).poll_write(cx, bytes) {
            Poll::Ready(Ok(count)) => {
                self.pending.extend_from_slice(bytes.get(count..).unwrap_or_default());
                Ok(())
            }
            Poll::Pending => {
                self.pending.extend_from_slice(bytes);
                Ok(())
            }
            Poll::Ready(Err(_)) => Err(Failure::ClientGone),
        }
    }

    /// Reads heads, interim ones too, from the start of `bytes`, and begins the body.
    fn take_head(
        &mut self,
        shard: &Shard,
        out: &mut Vec<u8>,
        bytes: &mut [u8],
        (facts, settled): (&mut Facts, bool),
    ) -> Result<(), Failure> {
        let method = if facts.method == Method::Head { "HEAD" } else { "GET" };
        let mut at = 0;
        loop {
            let rest = bytes.get(at..).unwrap_or_default();
            let mut store = FieldStore::new();
            let head = parse_response(rest, method, &mut store).map_err(Failure::BadAnswer)?;
            let length = head.map_or(rest.len(), |head| head.length);
            if LONGEST_HEAD < length {
                return Err(Failure::BadAnswer(Refusal::HeadTooLarge));
            }
            let Some(head) = head else {
                self.state = State::Head(rest.to_vec());
                return Ok(());
            };
            at += head.length;
            if matches!(head.status, 100 | 102..200) {
                self.interim += 1;
                if MOST_INTERIM < self.interim {
                    return Err(Failure::BadAnswer(Refusal::Status));
                }
                if facts.version == Version::Http11 {
                    self.begin(shard, out, &head, facts);
                }
                continue;
            }
            if !settled || shard.draining() {
                facts.persistence = Persistence::Close;
            }
            self.accept(&head, facts)?;
            self.begin(shard, out, &head, facts);
            self.status = Some(head.status);
            break;
        }
        self.append(out, bytes.get_mut(at..).unwrap_or_default(), facts).map_err(|refusal| {
            // The head was not sent yet, so the client can still be told.
            self.status = None;
            Failure::BadAnswer(refusal)
        })
    }

    /// Decides how the body will be read and sent.
    fn accept(&mut self, head: &ResponseHead<'_, '_>, facts: &mut Facts) -> Result<(), Failure> {
        if head.status == 101 {
            let granted = head.upgrade.is_some_and(|to| to.eq_ignore_ascii_case(b"websocket"));
            if facts.upgrade != Upgrade::WebSocket || !granted {
                return Err(Failure::BadAnswer(Refusal::Status));
            }
        }
        self.upstream = head.persistence;
        self.state = match head.framing {
            ResponseFraming::None | ResponseFraming::Length(0) => State::Complete,
            ResponseFraming::Length(length) => State::Length(length),
            ResponseFraming::Chunked => State::Chunked(ChunkDecoder::default()),
            ResponseFraming::UntilClose => {
                self.upstream = Persistence::Close;
                State::UntilClose
            }
        };
        if matches!(self.state, State::Chunked(_) | State::UntilClose) {
            match facts.version {
                Version::Http11 => self.encoding = Encoding::Chunked,
                // Only the end of the connection can say that it is complete.
                Version::Http10 => facts.persistence = Persistence::Close,
            }
        }
        Ok(())
    }

    fn begin(&self, shard: &Shard, out: &mut Vec<u8>, head: &ResponseHead<'_, '_>, facts: &Facts) {
        let facts = ResponseFacts {
            version: facts.version,
            persistence: facts.persistence,
            encoding: self.encoding,
            request_id: facts.request_id.as_bytes(),
            shard,
        };
        forward::write_response(out, head, &facts);
    }

    /// Appends what of the body came with the head.
    fn append(&mut self, out: &mut Vec<u8>, rest: &mut [u8], facts: &Facts) -> Result<(), Refusal> {
        if self.status == Some(101) && facts.upgrade == Upgrade::WebSocket {
            out.extend_from_slice(rest);
            return Ok(());
        }
        let consumed = match &mut self.state {
            State::Length(remaining) => {
                let count =
                    usize::try_from(*remaining).map_or(rest.len(), |most| most.min(rest.len()));
                *remaining -= count as u64;
                out.extend_from_slice(rest.get(..count).unwrap_or_default());
                if *remaining == 0 {
                    self.state = State::Complete;
                }
                count
            }
            State::Chunked(decoder) => {
                let step = decoder.decode(rest)?;
                push_piece(out, self.encoding, rest.get(..step.produced).unwrap_or_default());
                if step.done {
                    self.finish_chunks(out);
                }
                step.consumed
            }
            State::UntilClose => {
                push_piece(out, self.encoding, rest);
                rest.len()
            }
            State::Head(_) | State::Complete => 0,
        };
        if consumed < rest.len() {
            // More than a response: nothing that comes on this connection can be trusted.
            self.upstream = Persistence::Close;
        }
        Ok(())
    }

    fn finish_chunks(&mut self, out: &mut Vec<u8>) {
        if self.encoding == Encoding::Chunked {
            out.extend_from_slice(b"0\r\n\r\n");
        }
        self.state = State::Complete;
    }

    /// Frames a piece of the body anew; where in scratch it stands afterwards.
    fn encode(
        &mut self,
        scratch: &mut [u8],
        count: usize,
    ) -> Result<std::ops::Range<usize>, Failure> {
        let raw = |count| BEFORE..BEFORE + count;
        match &mut self.state {
            State::Head(_) | State::Complete => Ok(raw(0)),
            State::UntilClose => {
                if count == 0 {
                    self.state = State::Complete;
                }
                Ok(match self.encoding {
                    Encoding::Raw => raw(count),
                    Encoding::Chunked => frame_chunk(scratch, count, count == 0),
                })
            }
            _ if count == 0 => Err(Failure::Truncated),
            State::Length(remaining) => {
                *remaining = remaining.saturating_sub(count as u64);
                if *remaining == 0 {
                    self.state = State::Complete;
                }
                Ok(raw(count))
            }
            State::Chunked(decoder) => {
                let bytes = scratch.get_mut(raw(count)).unwrap_or_default();
                let step = decoder.decode(bytes).map_err(|_violation| Failure::Truncated)?;
                if step.consumed < count {
                    self.upstream = Persistence::Close;
                }
                if step.done {
                    self.state = State::Complete;
                }
                Ok(match self.encoding {
                    Encoding::Raw => raw(step.produced),
                    Encoding::Chunked => frame_chunk(scratch, step.produced, step.done),
                })
            }
        }
    }
}

fn push_piece(out: &mut Vec<u8>, encoding: Encoding, piece: &[u8]) {
    if piece.is_empty() {
        return;
    }
    if encoding == Encoding::Raw {
        out.extend_from_slice(piece);
        return;
    }
    let mut size = [0; 16];
    let start = put_hex_before(&mut size, 16, piece.len());
    out.extend_from_slice(size.get(start..).unwrap_or_default());
    out.extend_from_slice(b"\r\n");
    out.extend_from_slice(piece);
    out.extend_from_slice(b"\r\n");
}
