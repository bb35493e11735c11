//! The supervisor's socket: one task per connection, which reads requests and writes replies.
//!
//! A connection has a bounded queue of replies. Whoever does not read is disconnected instead of
//! being waited for; it comes back to a status and the events it missed.

use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;

use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{Notify, mpsc};

use crate::protocol::{Numbered, Reply, Request};
use crate::supervision::Event;

/// The most replies and events that wait for one reader.
const WAITING: usize = 8192;

/// The way back to whoever asked.
#[derive(Clone, Debug)]
pub(crate) struct Asker {
    id: u64,
    replies: mpsc::Sender<Numbered<Reply>>,
    /// Tells the connection that a reply found no room.
    overflow: Arc<Notify>,
}

impl Asker {
    /// Replies; `false` when nobody reads any more, or not fast enough.
    pub(crate) fn reply(&self, body: Reply) -> bool {
        let sent = self.replies.try_send(Numbered { id: self.id, body });
        if matches!(sent, Err(TrySendError::Full(_))) {
            self.overflow.notify_one();
        }
        sent.is_ok()
    }

    /// Whether something was not written yet.
    pub(crate) fn waits(&self) -> bool {
        !self.replies.is_closed() && self.replies.capacity() < self.replies.max_capacity()
    }
}

/// Listens on a socket that only its owner can open.
pub(crate) fn listen(path: &Path) -> io::Result<UnixListener> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // The directory is private, so that nobody comes in between these two lines.
    let listener = UnixListener::bind(path)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

/// Serves one connection until either side closes.
pub(crate) async fn serve(stream: UnixStream, events: mpsc::Sender<Event>) -> Option<Event> {
    let (mut reader, mut writer) = runtime::split(stream);
    let (replies, mut waiting) = mpsc::channel::<Numbered<Reply>>(WAITING);
    // The queue lives as long as somebody may still write to it: this task, or whoever was asked.
    let mut replies = Some(replies);
    let overflow = Arc::new(Notify::new());
    loop {
        tokio::select! {
            biased;
            () = overflow.notified() => return None,
            request = reader.read::<Numbered<Request>>(), if replies.is_some() => match request {
                Ok(Some(Numbered { id, body })) => {
                    let queue = replies.clone()?;
                    let asker = Asker { id, replies: queue, overflow: Arc::clone(&overflow) };
                    events.send(Event::Asked { asker, request: body }).await.ok()?;
                }
                // It may still wait for an answer after it has closed its own side.
                Ok(None) => replies = None,
                Err(_) => return None,
            },
            reply = waiting.recv() => writer.write(&reply?).await.ok()?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_reader_that_does_not_keep_up_is_disconnected() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (sender, mut events) = mpsc::channel(1);
        let mut tasks = runtime::TaskGroup::new();
        tasks.spawn("connection", serve(theirs, sender));
        let (mut reader, mut writer) = runtime::split(ours);
        writer.write(&Numbered { id: 7, body: Request::Status }).await.unwrap();
        let Some(Event::Asked { asker, .. }) = events.recv().await else { panic!() };
        while asker.reply(Reply::Done) {}
        while reader.read::<Numbered<Reply>>().await.is_ok_and(|reply| reply.is_some()) {}
        assert!(!asker.reply(Reply::Done));
    }
}
