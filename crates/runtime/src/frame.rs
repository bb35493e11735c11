//! Messages over a byte stream: a length of four bytes, big-endian, then that much JSON.
//!
//! JSON because these messages are few, must be readable in a trace, and evolve; the length first
//! because it bounds what is read before a byte of it is looked at.

use std::io;

use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{
    AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf,
};

/// No message is larger; a plan of a thousand instances is about 2 MiB.
pub const LARGEST_FRAME: usize = 16 << 20;

/// Why a message could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    /// The stream failed.
    #[error("connection failed")]
    Stream(#[from] io::Error),
    /// The other side announced a message above the limit.
    #[error("message of {0} bytes exceeds the limit of {LARGEST_FRAME}")]
    TooLarge(usize),
    /// The content is not the message that was expected.
    #[error("message is malformed")]
    Malformed(#[from] serde_json::Error),
}

/// The reading half.
#[derive(Debug)]
pub struct FrameReader<R> {
    stream: R,
    buffer: Vec<u8>,
}

/// The writing half.
#[derive(Debug)]
pub struct FrameWriter<W> {
    stream: W,
}

/// Splits a stream into its two halves.
pub fn split<S: AsyncRead + AsyncWrite>(
    stream: S,
) -> (FrameReader<ReadHalf<S>>, FrameWriter<WriteHalf<S>>) {
    let (read, write) = tokio::io::split(stream);
    (FrameReader::new(read), FrameWriter::new(write))
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    /// Reads frames from a stream.
    pub const fn new(stream: R) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    /// Reads the next message; `None` when the other side closed between messages.
    ///
    /// # Errors
    ///
    /// When the stream fails or ends inside a message, or the message is too large or malformed.
    ///
    /// # Cancellation
    ///
    /// Safe to drop: what was read so far is kept for the next call.
    pub async fn read<T: DeserializeOwned>(&mut self) -> Result<Option<T>, FrameError> {
        loop {
            if let Some((head, rest)) = self.buffer.split_first_chunk::<4>() {
                let length = usize::try_from(u32::from_be_bytes(*head))
                    .expect("a u32 fits a usize on the platforms that are supported");
                if LARGEST_FRAME < length {
                    return Err(FrameError::TooLarge(length));
                }
                if let Some(content) = rest.get(..length) {
                    let message = serde_json::from_slice(content);
                    self.buffer.drain(..4 + length);
                    self.buffer.shrink_to(64 << 10);
                    return Ok(Some(message?));
                }
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                if self.buffer.is_empty() {
                    return Ok(None);
                }
                return Err(FrameError::Stream(io::ErrorKind::UnexpectedEof.into()));
            }
        }
    }
}

impl<W: AsyncWrite + Unpin> FrameWriter<W> {
    /// Writes frames to a stream.
    pub const fn new(stream: W) -> Self {
        Self { stream }
    }

    /// Writes one message.
    ///
    /// # Errors
    ///
    /// When the message is too large or the stream fails.
    ///
    /// # Cancellation
    ///
    /// Not safe to drop: half a message may have been written.
    pub async fn write<T: Serialize + Sync>(&mut self, message: &T) -> Result<(), FrameError> {
        let mut frame = vec![0; 4];
        serde_json::to_writer(&mut frame, message)?;
        let length = frame.len() - 4;
        if LARGEST_FRAME < length {
            return Err(FrameError::TooLarge(length));
        }
        let head = u32::try_from(length).expect("the limit is far below 4 GiB").to_be_bytes();
        for (slot, byte) in frame.iter_mut().zip(head) {
            *slot = byte;
        }
        self.stream.write_all(&frame).await?;
        self.stream.flush().await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn messages_arrive_in_order_and_the_end_is_seen() {
        let (ours, theirs) = tokio::io::duplex(7);
        let mut tasks = crate::TaskGroup::new();
        tasks.spawn("write", async move {
            let mut writer = FrameWriter::new(ours);
            for number in 0..100_u32 {
                writer.write(&number).await.unwrap();
            }
        });
        let mut reader = FrameReader::new(theirs);
        for number in 0..100 {
            assert_eq!(reader.read::<u32>().await.unwrap(), Some(number));
        }
        assert_eq!(reader.read::<u32>().await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_length_above_the_limit_is_refused_before_it_is_read() {
        let mut reader = FrameReader::new(&[0xff_u8, 0xff, 0xff, 0xff][..]);
        assert!(matches!(reader.read::<u32>().await, Err(FrameError::TooLarge(_))));
    }

    #[tokio::test]
    async fn an_end_inside_a_message_is_an_error() {
        let mut reader = FrameReader::new(&[0_u8, 0, 0, 9, b'1'][..]);
        assert!(matches!(reader.read::<u32>().await, Err(FrameError::Stream(_))));
    }
}
