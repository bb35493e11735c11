//! After an upgrade: bytes in both directions, each ending by itself.
//!
//! A side that closes its half has it closed on the other side once everything before it was
//! delivered; the tunnel ends when both halves are closed, when either breaks, or after a long
//! silence.

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead as _, AsyncWrite as _, ReadBuf};
use tokio::net::TcpStream;

use crate::connection::Connection;
use crate::exchange::TURN;

/// What is read at once. Smaller than for bodies: a slow reader makes us keep it.
const PIECE: usize = 64 << 10;

/// One direction.
#[derive(Default)]
struct Pipe {
    pending: Vec<u8>,
    written: usize,
    stage: Stage,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Stage {
    #[default]
    Open,
    /// The source has closed its half; what is pending is still to be written.
    Ending,
    Closed,
}

/// Runs until both directions are closed.
pub(crate) async fn run(connection: &mut Connection, mut upstream: TcpStream) {
    let shard = Rc::clone(&connection.shard);
    let mut up = Pipe::default();
    let mut down = Pipe::default();
    connection.timer.set(shard.waits.silence);
    poll_fn(|cx| {
        let mut budget = TURN;
        loop {
            if connection.timer.expired() {
                return Poll::Ready(());
            }
            let mut scratch = shard.scratch.borrow_mut();
            let piece = scratch.get_mut(..PIECE).unwrap_or_default();
            let client = &mut connection.stream;
            let Some(sent) = up.advance(cx, (&mut *client, &mut upstream), piece) else {
                return Poll::Ready(());
            };
            let Some(received) = down.advance(cx, (&mut upstream, &mut *client), piece) else {
                return Poll::Ready(());
            };
            if up.stage == Stage::Closed && down.stage == Stage::Closed {
                return Poll::Ready(());
            }
            if sent + received == 0 {
                return Poll::Pending;
            }
            connection.timer.set(shard.waits.silence);
            budget = budget.saturating_sub(sent + received);
            if budget == 0 {
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
        }
    })
    .await;
}

impl Pipe {
    /// Moves what can be moved; how much, or `None` when a side is broken.
    fn advance(
        &mut self,
        cx: &mut Context<'_>,
        (from, to): (&mut TcpStream, &mut TcpStream),
        piece: &mut [u8],
    ) -> Option<usize> {
        let mut moved = 0;
        while let Some(rest) = self.pending.get(self.written..).filter(|rest| !rest.is_empty()) {
            match Pin::new(&mut *to).poll_write(cx, rest) {
                Poll::Pending => return Some(moved),
                Poll::Ready(Ok(count)) => {
                    self.written += count;
                    moved += count;
                }
                Poll::Ready(Err(_)) => return None,
            }
        }
        if !self.pending.is_empty() {
            self.pending = Vec::new();
            self.written = 0;
        }
        if self.stage == Stage::Open {
            let mut buffer = ReadBuf::new(piece);
            match Pin::new(from).poll_read(cx, &mut buffer) {
                Poll::Pending => return Some(moved),
                Poll::Ready(Err(_)) => return None,
                Poll::Ready(Ok(())) => {}
            }
            let bytes = buffer.filled();
            if bytes.is_empty() {
                self.stage = Stage::Ending;
            } else {
                moved += bytes.len();
                let written = match Pin::new(&mut *to).poll_write(cx, bytes) {
                    Poll::Pending => 0,
                    Poll::Ready(Ok(count)) => count,
                    Poll::Ready(Err(_)) => return None,
                };
                self.pending.extend_from_slice(bytes.get(written..).unwrap_or_default());
                return Some(moved);
            }
        }
        if self.stage == Stage::Ending {
            match Pin::new(to).poll_shutdown(cx) {
                Poll::Pending => {}
                Poll::Ready(Ok(())) => self.stage = Stage::Closed,
                Poll::Ready(Err(_)) => return None,
            }
        }
        Some(moved)
    }
}
