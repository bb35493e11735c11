//! What happened, as people read it: one line each, kept in order, numbered without gaps.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One line of the application's history.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Event {
    /// Increases by one with each event; where a reader continues.
    pub id: i64,
    /// When, in milliseconds since the Unix epoch.
    pub at: i64,
    /// How much it matters.
    pub level: Level,
    /// What it is about: a service's or database's name, or `mainstay`.
    pub subject: String,
    /// The instance, when it is about one.
    pub instance: Option<String>,
    /// What kind of thing happened.
    pub kind: EventKind,
    /// The sentence.
    pub text: String,
    /// More lines, such as the last log lines of an instance that failed.
    pub detail: Vec<String>,
}

/// How much an event matters.
#[derive(
    Clone, Copy, Debug, Deserialize, Eq, JsonSchema, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Went as it should.
    Info,
    /// Worth a look.
    Warning,
    /// Does not work.
    Error,
}

/// What kind of thing happened.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventKind {
    /// The application as a whole: coming up, up, going down.
    App,
    /// The manifest was read again.
    Manifest,
    /// A build started or ended.
    Build,
    /// A database was prepared or changed.
    Database,
    /// A migration was applied or undone.
    Migration,
    /// An instance started, became ready, failed or stopped.
    Instance,
    /// A job ran.
    Job,
    /// The gateway's configuration or health.
    Gateway,
    /// A process of Mainstay itself.
    Platform,
}
