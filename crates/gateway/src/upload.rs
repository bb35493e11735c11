//! The request on its way to the upstream: the head, written once, and the body as it comes.
//!
//! The head, with what of the body came along, is kept until the answer begins, so that it can be
//! sent again. Once more of the body has passed through, it cannot.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio::net::TcpStream;

use crate::connection::Connection;
use crate::digits::put_hex_before;
use crate::failure::Failure;
use crate::http1::{ChunkDecoder, Refusal};
use crate::shard::SCRATCH;

/// Room before the decoded bytes for a chunk's size line, and after them for the chunk's end and
/// the last chunk.
pub(crate) const BEFORE: usize = 18;
pub(crate) const AFTER: usize = 8;

/// A request on its way up.
#[derive(Debug)]
pub(crate) struct Upload {
    /// The head, and the part of the body that came with it.
    first: Vec<u8>,
    sent: usize,
    body: Body,
    replay: Replay,
    /// What the upstream did not take yet.
    pending: Vec<u8>,
    written: usize,
    /// Decoded bytes of the body so far.
    received: u64,
}

/// What is still to come from the client.
#[derive(Debug)]
pub(crate) enum Body {
    /// Nothing.
    Complete,
    /// That many bytes.
    Length(u64),
    /// Chunks.
    Chunked(ChunkDecoder),
    /// The upstream does not want it.
    Abandoned,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Replay {
    Possible,
    Impossible,
}

impl Upload {
    /// A request whose first bytes are given and of whose body the rest is to come.
    pub(crate) const fn new(first: Vec<u8>, body: Body) -> Self {
        Self {
            first,
            sent: 0,
            body,
            replay: Replay::Possible,
            pending: Vec::new(),
            written: 0,
            received: 0,
        }
    }

    /// Whether everything was handed to the upstream.
    pub(crate) fn is_complete(&self) -> bool {
        matches!(self.body, Body::Complete)
            && self.sent == self.first.len()
            && self.written == self.pending.len()
    }

    /// Whether everything was read from the client.
    pub(crate) fn is_consumed(&self) -> bool {
        matches!(self.body, Body::Complete)
    }

    /// Whether the client is what it waits for.
    pub(crate) fn waits_for_client(&self) -> bool {
        self.sent == self.first.len()
            && self.written == self.pending.len()
            && matches!(self.body, Body::Length(_) | Body::Chunked(_))
    }

    /// Whether all that was sent is still at hand.
    pub(crate) fn can_replay(&self) -> bool {
        self.replay == Replay::Possible && !matches!(self.body, Body::Abandoned)
    }

    /// Starts again from the first byte.
    pub(crate) fn rewind(&mut self) {
        self.sent = 0;
    }

    /// Gives the buffer back.
    pub(crate) fn take_buffer(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.first)
    }

    /// Moves what can be moved; says whether anything was.
    pub(crate) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        upstream: &mut TcpStream,
        connection: &mut Connection,
        budget: &mut usize,
    ) -> Result<bool, Failure> {
        let mut moved = false;
        while let Some(rest) = self.first.get(self.sent..).filter(|rest| !rest.is_empty()) {
            match Pin::new(&mut *upstream).poll_write(cx, rest) {
                Poll::Pending => return Ok(moved),
                Poll::Ready(Ok(count)) => self.sent += count,
                Poll::Ready(Err(_)) => {
                    // Whether it answered before it closed, reading will tell.
                    self.sent = self.first.len();
                    self.abandon();
                }
            }
            moved = true;
        }
        while !matches!(self.body, Body::Complete | Body::Abandoned) || self.has_pending() {
            if !self.flush(cx, upstream) {
                return Ok(moved);
            }
            if matches!(self.body, Body::Complete | Body::Abandoned) || *budget == 0 {
                return Ok(true);
            }
            let Poll::Ready(count) = self.advance(cx, upstream, connection)? else {
                return Ok(moved);
            };
            *budget = budget.saturating_sub(count);
            moved = true;
        }
        Ok(moved)
    }

    fn has_pending(&self) -> bool {
        self.written < self.pending.len()
    }

    fn abandon(&mut self) {
        if !matches!(self.body, Body::Complete) {
            self.body = Body::Abandoned;
        }
        self.pending.clear();
        self.written = 0;
    }

    /// Writes what is pending; says whether nothing is left.
    fn flush(&mut self, cx: &mut Context<'_>, upstream: &mut TcpStream) -> bool {
        while let Some(rest) = self.pending.get(self.written..).filter(|rest| !rest.is_empty()) {
            match Pin::new(&mut *upstream).poll_write(cx, rest) {
                Poll::Pending => return false,
                Poll::Ready(Ok(count)) => self.written += count,
                Poll::Ready(Err(_)) => self.abandon(),
            }
        }
        if !self.pending.is_empty() {
            self.pending = Vec::new();
            self.written = 0;
        }
        true
    }

    /// Reads a piece of the body and passes it on; the number of bytes read.
    fn advance(
        &mut self,
        cx: &mut Context<'_>,
        upstream: &mut TcpStream,
        connection: &mut Connection,
    ) -> Result<Poll<usize>, Failure> {
        let shard = std::rc::Rc::clone(&connection.shard);
        let mut scratch = shard.scratch.borrow_mut();
        let most = match &self.body {
            Body::Length(remaining) => {
                usize::try_from(*remaining).map_or(SCRATCH, |remaining| remaining.min(SCRATCH))
            }
            _ => SCRATCH,
        };
        let end = (BEFORE + most).min(SCRATCH - AFTER);
        let room = scratch.get_mut(BEFORE..end).unwrap_or_default();
        let count = if connection.unread.is_empty() {
            let mut buffer = ReadBuf::new(room);
            match Pin::new(&mut connection.stream).poll_read(cx, &mut buffer) {
                Poll::Pending => return Ok(Poll::Pending),
                Poll::Ready(Err(_)) => return Err(Failure::ClientGone),
                Poll::Ready(Ok(())) => buffer.filled().len(),
            }
        } else {
            let count = room.len().min(connection.unread.len());
            for (slot, byte) in room.iter_mut().zip(connection.unread.drain(..count)) {
                *slot = byte;
            }
            count
        };
        if count == 0 {
            return Err(Failure::ClientGone);
        }
        self.replay = Replay::Impossible;
        let bytes = self.encode(&mut scratch, count, connection)?;
        let encoded = scratch.get(bytes).unwrap_or_default();
        if !encoded.is_empty() {
            match Pin::new(&mut *upstream).poll_write(cx, encoded) {
                Poll::Ready(Ok(written)) => {
                    self.pending.extend_from_slice(encoded.get(written..).unwrap_or_default());
                }
                Poll::Pending => self.pending.extend_from_slice(encoded),
                Poll::Ready(Err(_)) => self.abandon(),
            }
        }
        Ok(Poll::Ready(count))
    }

    /// Frames what was read anew; where in scratch it stands afterwards.
    fn encode(
        &mut self,
        scratch: &mut [u8],
        count: usize,
        connection: &mut Connection,
    ) -> Result<std::ops::Range<usize>, Failure> {
        let range = match &mut self.body {
            Body::Length(remaining) => {
                *remaining = remaining.saturating_sub(count as u64);
                self.received += count as u64;
                if *remaining == 0 {
                    self.body = Body::Complete;
                }
                BEFORE..BEFORE + count
            }
            Body::Chunked(decoder) => {
                let bytes = scratch.get_mut(BEFORE..BEFORE + count).unwrap_or_default();
                let step = decoder.decode(bytes).map_err(Failure::Refused)?;
                self.received += step.produced as u64;
                if connection.shard.shared.limits.body_bytes < self.received {
                    return Err(Failure::Refused(Refusal::BodyTooLarge));
                }
                if step.done {
                    // What follows is the next request; it goes before its place is written over.
                    let next = bytes.get(step.consumed..).unwrap_or_default().to_vec();
                    connection.unread.splice(0..0, next);
                    self.body = Body::Complete;
                }
                frame_chunk(scratch, step.produced, step.done)
            }
            Body::Complete | Body::Abandoned => BEFORE..BEFORE,
        };
        Ok(range)
    }
}

/// Puts a size line before `count` bytes at [`BEFORE`] and an end behind them; `last` adds the last
/// chunk. No bytes make no chunk, since an empty one would be the last.
pub(crate) fn frame_chunk(scratch: &mut [u8], count: usize, last: bool) -> std::ops::Range<usize> {
    let mut start = BEFORE;
    let mut end = BEFORE + count;
    let mut put = |at: usize, text: &[u8]| {
        if let Some(room) = scratch.get_mut(at..at + text.len()) {
            room.copy_from_slice(text);
        }
        at + text.len()
    };
    if 0 < count {
        end = put(end, b"\r\n");
        put(BEFORE - 2, b"\r\n");
    }
    if last {
        end = put(end, b"0\r\n\r\n");
    }
    if 0 < count {
        start = put_hex_before(scratch, BEFORE - 2, count);
    }
    start..end
}
