//! The handle that control and the command line hold.
//!
//! Requests share one connection; a subscription has its own, so that a flood of events cannot hold
//! up a reply.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base::Secret;
use plan::{JobPlan, SupervisorPlan};
use runtime::{FrameError, FrameReader, FrameWriter, TaskGroup};
use tokio::io::{ReadHalf, WriteHalf};
use tokio::net::UnixStream;
use tokio::sync::mpsc;

use crate::event::Update;
use crate::job::JobResult;
use crate::protocol::{Applied, Changed, Numbered, Refusal, Reply, Request, SecretValues};
use crate::status::SupervisorStatus;
use crate::stop::StopProgress;

/// Requests that wait to be written; callers wait when there are more.
const WAITING: usize = 64;

/// Replies to one request that wait to be read; only a stop has more than one.
const REPLIES: usize = 64;

/// Why there is no supervisor to talk to.
#[derive(Debug, thiserror::Error)]
#[error("cannot reach the supervisor at `{}`", path.display())]
pub struct ConnectError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// Why a request has no result.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// The supervisor says no.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The connection ended before the reply; the request may have been carried out.
    #[error("connection to the supervisor lost")]
    Lost,
    /// The connection failed.
    #[error("connection to the supervisor failed")]
    Failed(#[from] FrameError),
}

/// A connection to the supervisor; clones share it.
#[derive(Clone, Debug)]
pub struct Supervisor {
    path: Arc<Path>,
    requests: mpsc::Sender<(Request, mpsc::Sender<Reply>)>,
    _connection: Arc<TaskGroup<()>>,
}

impl Supervisor {
    /// Connects to the socket `supervisor.sock` of a runtime directory, given the socket's path.
    ///
    /// # Errors
    ///
    /// When nobody listens there.
    pub async fn connect(path: &Path) -> Result<Self, ConnectError> {
        let stream = open(path).await?;
        let (requests, receiver) = mpsc::channel(WAITING);
        let mut connection = TaskGroup::new();
        connection.spawn("supervisor connection", converse(stream, receiver));
        Ok(Self { path: path.into(), requests, _connection: Arc::new(connection) })
    }

    /// Has the plan carried out; idempotent, and an older generation is ignored.
    ///
    /// # Errors
    ///
    /// When the connection is lost, or a listener's port is occupied: then nothing was applied.
    pub async fn apply(
        &self,
        plan: Arc<SupervisorPlan>,
        changed: Changed,
    ) -> Result<Applied, RequestError> {
        match self.request(Request::Apply { plan, changed }).await? {
            Reply::Applied(applied) => Ok(applied),
            _ => Err(RequestError::Lost),
        }
    }

    /// Hands over the values of secrets, replacing all earlier ones.
    ///
    /// # Errors
    ///
    /// When the connection is lost.
    pub async fn secrets(&self, values: BTreeMap<String, Secret>) -> Result<(), RequestError> {
        self.request(Request::Secrets(SecretValues(values))).await.map(drop)
    }

    /// Runs a job to its end. It goes on when this call is dropped or the connection lost.
    ///
    /// # Errors
    ///
    /// When a job of this name is running, or the connection is lost. A job that fails is no error.
    pub async fn run(&self, job: JobPlan) -> Result<JobResult, RequestError> {
        match self.request(Request::Run(job)).await? {
            Reply::Job(result) => Ok(result),
            _ => Err(RequestError::Lost),
        }
    }

    /// Ends a job; its result says `cancelled`.
    ///
    /// # Errors
    ///
    /// When there is no such job, or the connection is lost.
    pub async fn cancel(&self, job: &str) -> Result<(), RequestError> {
        self.request(Request::Cancel { job: job.to_owned() }).await.map(drop)
    }

    /// Stops an instance and starts it again; returns when that has begun.
    ///
    /// # Errors
    ///
    /// When there is no such instance, or the connection is lost.
    pub async fn restart(&self, instance: &str) -> Result<(), RequestError> {
        self.request(Request::Restart { instance: instance.to_owned() }).await.map(drop)
    }

    /// Asks how everything is.
    ///
    /// # Errors
    ///
    /// When the connection is lost.
    pub async fn status(&self) -> Result<SupervisorStatus, RequestError> {
        match self.request(Request::Status).await? {
            Reply::Status(status) => Ok(status),
            _ => Err(RequestError::Lost),
        }
    }

    /// Stops everything in order, telling about it, and returns when nothing is left.
    ///
    /// # Errors
    ///
    /// When the connection is lost before the supervisor said that it has finished.
    pub async fn stop(
        &self,
        mut progress: impl FnMut(StopProgress) + Send,
    ) -> Result<(), RequestError> {
        let mut replies = self.send(Request::Stop).await?;
        while let Some(reply) = replies.recv().await {
            match reply {
                Reply::Stopping(step) => progress(step),
                Reply::Done => return Ok(()),
                Reply::Refused(refusal) => return Err(refusal.into()),
                _ => return Err(RequestError::Lost),
            }
        }
        Err(RequestError::Lost)
    }

    /// Cuts the deadlines of a stop that is under way short.
    ///
    /// # Errors
    ///
    /// When the connection is lost.
    pub async fn hurry(&self) -> Result<(), RequestError> {
        self.request(Request::Hurry).await.map(drop)
    }

    /// Subscribes to what happens, on a connection of its own.
    ///
    /// The first update is the status. A reader that was connected before passes the sequence
    /// number it saw last, and gets what it missed after the status.
    ///
    /// # Errors
    ///
    /// When nobody listens any more.
    pub async fn events(&self, after: Option<u64>) -> Result<Events, RequestError> {
        let stream = open(&self.path).await.map_err(|_gone| RequestError::Lost)?;
        let (reader, mut writer) = runtime::split(stream);
        writer.write(&Numbered { id: 0, body: Request::Subscribe { after } }).await?;
        Ok(Events { reader, _writer: writer })
    }

    async fn send(&self, request: Request) -> Result<mpsc::Receiver<Reply>, RequestError> {
        let (sender, receiver) = mpsc::channel(REPLIES);
        self.requests.send((request, sender)).await.map_err(|_closed| RequestError::Lost)?;
        Ok(receiver)
    }

    async fn request(&self, request: Request) -> Result<Reply, RequestError> {
        let mut replies = self.send(request).await?;
        match replies.recv().await {
            Some(Reply::Refused(refusal)) => Err(refusal.into()),
            Some(reply) => Ok(reply),
            None => Err(RequestError::Lost),
        }
    }
}

/// What happens, as it happens.
#[derive(Debug)]
pub struct Events {
    reader: FrameReader<ReadHalf<UnixStream>>,
    _writer: FrameWriter<WriteHalf<UnixStream>>,
}

impl Events {
    /// The next update; `None` when the supervisor closed the connection, because it ended or
    /// because this reader did not keep up. Safe to drop at any time.
    ///
    /// # Errors
    ///
    /// When the connection fails.
    pub async fn next(&mut self) -> Result<Option<Update>, RequestError> {
        match self.reader.read::<Numbered<Reply>>().await? {
            None => Ok(None),
            Some(Numbered { body: Reply::Update(update), .. }) => Ok(Some(update)),
            Some(Numbered { body: Reply::Refused(refusal), .. }) => Err(refusal.into()),
            Some(_) => Err(RequestError::Lost),
        }
    }
}

async fn open(path: &Path) -> Result<UnixStream, ConnectError> {
    let fail = |source| ConnectError { path: path.to_owned(), source };
    UnixStream::connect(path).await.map_err(fail)
}

/// Writes requests and hands replies to whoever waits, until either side closes.
async fn converse(
    stream: UnixStream,
    mut requests: mpsc::Receiver<(Request, mpsc::Sender<Reply>)>,
) {
    let (mut reader, mut writer) = runtime::split(stream);
    let mut waiting: HashMap<u64, mpsc::Sender<Reply>> = HashMap::new();
    let mut last = 0;
    loop {
        tokio::select! {
            request = requests.recv() => {
                let Some((body, reply)) = request else { return };
                last += 1;
                waiting.insert(last, reply);
                if writer.write(&Numbered { id: last, body }).await.is_err() {
                    return;
                }
            }
            reply = reader.read::<Numbered<Reply>>() => {
                let Ok(Some(Numbered { id, body })) = reply else { return };
                let more = matches!(body, Reply::Stopping(_));
                if let Some(waiter) = waiting.get(&id) {
                    // Whoever asked may have stopped waiting.
                    waiter.try_send(body).ok();
                }
                if !more {
                    waiting.remove(&id);
                }
            }
        }
    }
}
