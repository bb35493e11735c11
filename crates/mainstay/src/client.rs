//! Talks to control: HTTP over its Unix socket. Answers are bounded; a control that is just being
//! started again is waited for, briefly.

use std::fmt::Write as _;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use control::{Location, RefusalKind};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::{Method, Request, Response, header};
use hyper_util::rt::TokioIo;
use runtime::TaskGroup;
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::server::Problem;

/// The largest answer that is needed, ten thousand log lines, has a few megabytes.
const LARGEST_ANSWER: usize = 64 << 20;

/// One event of a stream is a status at most.
const LARGEST_EVENT: usize = 8 << 20;

/// Longer than control takes to be started again.
const PATIENCE: Duration = Duration::from_secs(3);
/// How long an answer about what is known may take.
const ANSWERS: Duration = Duration::from_secs(10);

/// How long an answer to a change may take.
const WORKS: Duration = Duration::from_secs(7 * 86_400);

const PAUSE: Duration = Duration::from_millis(50);

/// A way to the control of one environment.
#[derive(Clone, Debug)]
pub(crate) struct Client {
    socket: std::path::PathBuf,
}

impl Client {
    /// For whatever runs at a location.
    pub(crate) fn new(location: &Location) -> Self {
        Self { socket: location.control_socket() }
    }

    /// Reads something.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.ask(Method::GET, path, Bytes::new()).await
    }

    /// Changes something.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        body: &(impl Serialize + Sync),
    ) -> Result<T, Failure> {
        let body = serde_json::to_vec(body).map_err(|error| Failure::of(Exit::Bug, &error))?;
        self.ask(Method::POST, path, body.into()).await
    }

    /// Opens a server-sent stream.
    pub(crate) async fn stream(&self, path: &str) -> Result<Events, Failure> {
        let (response, connection) = self.send(Method::GET, path, Bytes::new()).await?;
        if !response.status().is_success() {
            return Err(refusal(response).await);
        }
        let body = response.into_body();
        Ok(Events { body, buffer: BytesMut::new(), _connection: connection })
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<T, Failure> {
        // Changes may take long (a job runs to its end); reading what is known never does.
        let patience = if method == Method::GET { ANSWERS } else { WORKS };
        let asked = tokio::time::timeout(patience, async {
            let (response, _connection) = self.send(method, path, body).await?;
            if !response.status().is_success() {
                return Err(refusal(response).await);
            }
            whole(response).await
        });
        let bytes = asked.await.map_err(|_no_answer| {
            Failure::new(Exit::Unavailable, "control does not answer")
                .help("see why with `mainstay logs control`, or stop everything: `mainstay down`")
        })??;
        serde_json::from_slice(&bytes).map_err(|error| {
            Failure::new(Exit::Unavailable, "control answered something else than was expected")
                .because(&error)
                .help("the running Mainstay may be of another version: run `mainstay down` with it")
        })
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
    ) -> Result<(Response<Incoming>, TaskGroup<()>), Failure> {
        let stream = self.connect().await?;
        let lost = |error: &hyper::Error| {
            Failure::new(Exit::Unavailable, "the connection to control was lost").because(error)
        };
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(|error| lost(&error))?;
        let mut tasks = TaskGroup::new();
        tasks.spawn("connection to control", async move {
            // Whoever waits for the answer learns that the connection is lost.
            drop(connection.await);
        });
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "localhost")
            .header(header::CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .map_err(|error| Failure::of(Exit::Bug, &error))?;
        let response = sender.send_request(request).await.map_err(|error| lost(&error))?;
        Ok((response, tasks))
    }

    async fn connect(&self) -> Result<UnixStream, Failure> {
        let mut waited = Duration::ZERO;
        loop {
            match UnixStream::connect(&self.socket).await {
                Ok(stream) => return Ok(stream),
                Err(error) if PATIENCE <= waited => {
                    return Err(Failure::new(Exit::Unavailable, "control does not answer")
                        .because(&error)
                        .help("see why with `mainstay logs control`"));
                }
                Err(_being_started) => {}
            }
            tokio::time::sleep(PAUSE).await;
            waited += PAUSE;
        }
    }
}

/// Percent-encodes a name for use in a path or query.
pub(crate) fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _infallible = write!(out, "%{byte:02X}");
        }
    }
    out
}

/// Events of a stream, as they come.
#[derive(Debug)]
pub(crate) struct Events {
    body: Incoming,
    buffer: BytesMut,
    _connection: TaskGroup<()>,
}

/// One event of a stream.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Message {
    /// What it is.
    pub(crate) event: String,
    /// Its content.
    pub(crate) data: String,
}

impl Events {
    /// The next event; `None` when the stream has ended. Safe to drop at any time.
    pub(crate) async fn next(&mut self) -> Option<Message> {
        loop {
            if let Some(message) = take(&mut self.buffer) {
                return Some(message);
            }
            if LARGEST_EVENT < self.buffer.len() {
                return None;
            }
            let frame = self.body.frame().await?.ok()?;
            if let Some(data) = frame.data_ref() {
                self.buffer.extend_from_slice(data);
            }
        }
    }
}

/// Takes the first whole event out of what has arrived; comments are passed over.
fn take(buffer: &mut BytesMut) -> Option<Message> {
    loop {
        let end = buffer.windows(2).position(|pair| pair == b"\n\n")?;
        let block = buffer.split_to(end + 2);
        let block = String::from_utf8_lossy(&block);
        let mut message = Message { event: "message".to_owned(), data: String::new() };
        for line in block.lines() {
            let Some((field, value)) = line.split_once(':') else { continue };
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "event" => value.clone_into(&mut message.event),
                "data" if message.data.is_empty() => value.clone_into(&mut message.data),
                "data" => {
                    message.data.push('\n');
                    message.data.push_str(value);
                }
                _ => {}
            }
        }
        if !message.data.is_empty() {
            return Some(message);
        }
    }
}

async fn whole(response: Response<Incoming>) -> Result<Bytes, Failure> {
    let body = Limited::new(response.into_body(), LARGEST_ANSWER).collect().await;
    body.map(http_body_util::Collected::to_bytes).map_err(|error| {
        Failure::new(Exit::Unavailable, "the answer of control did not arrive whole")
            .line(error.to_string())
    })
}

/// The failure that a problem stands for.
async fn refusal(response: Response<Incoming>) -> Failure {
    let status = response.status();
    let problem = match whole(response).await {
        Ok(bytes) => serde_json::from_slice::<Problem>(&bytes).ok(),
        Err(failure) => return failure,
    };
    let Some(problem) = problem else {
        return Failure::new(Exit::Unavailable, format!("control answered {status}"));
    };
    let exit = match problem.kind {
        Some(RefusalKind::Unknown) => Exit::Usage,
        Some(RefusalKind::Conflict) => Exit::Refused,
        Some(RefusalKind::Failed) => Exit::No,
        Some(RefusalKind::Unavailable) => Exit::TryAgain,
        None if status.is_client_error() => Exit::Usage,
        None => Exit::Unavailable,
    };
    let detail = problem.detail.unwrap_or_default();
    let failure = detail.lines().fold(Failure::new(exit, problem.title), Failure::line);
    match problem.help {
        Some(help) => failure.help(help),
        None => failure,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_are_taken_whole_and_comments_passed_over() {
        let mut buffer =
            BytesMut::from(&b": hello\n\nevent: status\ndata: {\ndata: }\n\nevent: x"[..]);
        let message = take(&mut buffer).unwrap();
        assert_eq!((message.event.as_str(), message.data.as_str()), ("status", "{\n}"));
        assert_eq!(take(&mut buffer), None);
        assert_eq!(&buffer[..], b"event: x");
    }

    #[test]
    fn names_are_encoded() {
        assert_eq!(encoded("a/b?c d.é"), "a%2Fb%3Fc%20d.%C3%A9");
    }
}
