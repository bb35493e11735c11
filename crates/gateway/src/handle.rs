//! What control holds: a line to a gateway process.

use std::path::Path;

use plan::{EndpointPlan, GatewayPlan};
use runtime::{FrameError, FrameReader, FrameWriter};
use tokio::io::{ReadHalf, WriteHalf};
use tokio::net::UnixStream;

use crate::control::{Answer, Query};
use crate::status::GatewayStatus;

/// A line to a running gateway.
///
/// # Cancellation
///
/// Its methods are not safe to drop half-way: an answer that was not read would be taken for the
/// next one's. Connect anew after that.
#[derive(Debug)]
pub struct Gateway {
    reader: FrameReader<ReadHalf<UnixStream>>,
    writer: FrameWriter<WriteHalf<UnixStream>>,
}

/// Why a gateway did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum LineError {
    /// There is no gateway at that path.
    #[error("cannot reach the gateway at `{path}`")]
    Connect {
        /// Where it should be.
        path: String,
        /// Why it is not.
        source: std::io::Error,
    },
    /// The line broke.
    #[error("the line to the gateway broke")]
    Frame(#[from] FrameError),
    /// It ended before it answered.
    #[error("the gateway closed the line")]
    Closed,
    /// It changed nothing, and says why.
    #[error("the gateway refused: {0}")]
    Refused(String),
    /// It answered something else than was asked.
    #[error("the gateway gave an answer to another question")]
    Confused,
}

impl Gateway {
    /// Opens a line.
    ///
    /// # Errors
    ///
    /// When nobody listens at that path.
    pub async fn connect(path: &Path) -> Result<Self, LineError> {
        let stream = UnixStream::connect(path)
            .await
            .map_err(|source| LineError::Connect { path: path.display().to_string(), source })?;
        let (reader, writer) = runtime::split(stream);
        Ok(Self { reader, writer })
    }

    /// Makes it serve a plan, and says which generation is then in force: an older plan than the
    /// one in force changes nothing.
    ///
    /// # Errors
    ///
    /// When the plan is contradictory or the line broke.
    pub async fn apply(&mut self, plan: &GatewayPlan) -> Result<u64, LineError> {
        match self.ask(&Query::Apply(Box::new(plan.clone()))).await? {
            Answer::Applied(generation) => Ok(generation),
            _ => Err(LineError::Confused),
        }
    }

    /// Tells it which instances of a service are ready now.
    ///
    /// # Errors
    ///
    /// When its plan does not know the service or the line broke.
    pub async fn endpoints(
        &mut self,
        upstream: &str,
        endpoints: &[EndpointPlan],
    ) -> Result<(), LineError> {
        let upstream = upstream.to_owned();
        let query = Query::Endpoints { upstream, endpoints: endpoints.to_vec() };
        match self.ask(&query).await? {
            Answer::Applied(_) => Ok(()),
            _ => Err(LineError::Confused),
        }
    }

    /// Asks how it is going.
    ///
    /// # Errors
    ///
    /// When the line broke.
    pub async fn status(&mut self) -> Result<GatewayStatus, LineError> {
        match self.ask(&Query::Status).await? {
            Answer::Status(status) => Ok(*status),
            _ => Err(LineError::Confused),
        }
    }

    /// Asks for the metrics page, in Prometheus' text format.
    ///
    /// # Errors
    ///
    /// When the line broke.
    pub async fn metrics(&mut self) -> Result<String, LineError> {
        match self.ask(&Query::Metrics).await? {
            Answer::Metrics(page) => Ok(page),
            _ => Err(LineError::Confused),
        }
    }

    async fn ask(&mut self, query: &Query) -> Result<Answer, LineError> {
        self.writer.write(query).await?;
        match self.reader.read().await?.ok_or(LineError::Closed)? {
            Answer::Refused(why) => Err(LineError::Refused(why)),
            answer => Ok(answer),
        }
    }
}
