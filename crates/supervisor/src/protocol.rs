//! What control and the command line say to the supervisor, and what it says back.
//!
//! Both sides are always the same build, so the messages need no version of their own. Each request
//! has a number, and its replies carry it; most have one reply, a subscription has no last one.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use base::Secret;
use plan::{JobPlan, SupervisorPlan};
use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::event::Update;
use crate::job::JobResult;
use crate::port::PortHolder;
use crate::status::SupervisorStatus;
use crate::stop::StopProgress;

/// The socket's name in the runtime directory.
pub(crate) const SOCKET: &str = "supervisor.sock";

/// A request and its number.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Numbered<T> {
    pub(crate) id: u64,
    pub(crate) body: T,
}

/// What can be asked.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Request {
    Apply { plan: Arc<SupervisorPlan>, changed: Changed },
    Secrets(SecretValues),
    Run(JobPlan),
    Cancel { job: String },
    Restart { instance: String },
    Status,
    Subscribe { after: Option<u64> },
    Stop,
    Hurry,
}

/// What is answered.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Reply {
    Done,
    Applied(Applied),
    Job(JobResult),
    Status(SupervisorStatus),
    Update(Update),
    Stopping(StopProgress),
    Refused(Refusal),
}

/// What happens to a running instance whose plan changed.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Changed {
    /// It is stopped, then started by the new plan.
    #[default]
    Restart,
    /// It goes on as it is; the new plan is used at its next start.
    Keep,
}

/// What applying a plan did.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Applied {
    /// The generation in force: a newer one than the plan's when the plan came too late.
    pub generation: u64,
}

/// Why a request was not carried out.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// Somebody else listens there; nothing of the plan was applied.
    #[error("cannot listen on {address} for `{listener}`: in use{}", by(holder.as_ref()))]
    PortOccupied {
        /// The listener's name.
        listener: String,
        /// Where.
        address: SocketAddr,
        /// Who, if that can be seen.
        holder: Option<PortHolder>,
    },
    /// The socket could not be opened for another reason; nothing of the plan was applied.
    #[error("cannot listen on {address} for `{listener}`: {reason}")]
    CannotListen {
        /// The listener's name.
        listener: String,
        /// Where.
        address: SocketAddr,
        /// Why, in words.
        reason: String,
    },
    /// Two instances or listeners have the same name.
    #[error("`{0}` stands in the plan twice")]
    Twice(String),
    /// There is no such instance.
    #[error("there is no instance `{0}`")]
    NoInstance(String),
    /// There is no such job.
    #[error("there is no running job `{0}`")]
    NoJob(String),
    /// A job of this name is running.
    #[error("job `{0}` is running already")]
    JobRunning(String),
    /// Everything is being stopped.
    #[error("the supervisor is stopping")]
    Stopping,
}

pub(crate) fn by(holder: Option<&PortHolder>) -> String {
    holder.map_or_else(String::new, |holder| format!(" by {holder}"))
}

/// Secrets on their way over the socket, which only its owner can open: the one message that holds
/// their values, and therefore neither derived nor printable.
pub(crate) struct SecretValues(pub(crate) BTreeMap<String, Secret>);

impl fmt::Debug for SecretValues {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl Serialize for SecretValues {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, value)| (name, value.reveal())))
    }
}

impl<'de> Deserialize<'de> for SecretValues {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let values = BTreeMap::<String, String>::deserialize(deserializer)?;
        Ok(Self(values.into_iter().map(|(name, value)| (name, Secret::new(value))).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_cross_the_socket_but_are_not_printed() {
        let values = BTreeMap::from([("pw".to_owned(), Secret::new("hunter2".to_owned()))]);
        let request = Request::Secrets(SecretValues(values));
        assert!(!format!("{request:?}").contains("hunter2"));
        let text = serde_json::to_string(&request).unwrap();
        let Ok(Request::Secrets(read)) = serde_json::from_str(&text) else { panic!("{text}") };
        assert_eq!(read.0["pw"].reveal(), "hunter2");
    }
}
