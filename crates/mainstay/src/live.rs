//! What `up` shows while it runs: a screen that is drawn anew, or lines where nobody watches.
//!
//! A model takes what comes from control and is drawn by a pure function, so that the drawing can
//! be tested without a terminal.

mod draw;
mod screen;

use std::collections::{BTreeSet, VecDeque};

use control::{AppStatus, Event};

use crate::server::LogView;

pub(crate) use draw::{draw, moment, table, time_of_day};
pub(crate) use screen::{Key, Screen};

/// More than any screen has lines.
const KEPT: usize = 500;

/// Everything the live view shows.
#[derive(Debug, Default)]
pub(crate) struct Model {
    /// The application's name, before a status tells it.
    pub(crate) app: String,
    /// The environment, before a status tells it.
    pub(crate) environment: String,
    /// The newest status.
    pub(crate) status: Option<AppStatus>,
    /// The console's address.
    pub(crate) console: Option<String>,
    /// Where the run is.
    pub(crate) stage: Stage,
    /// What is shown below the tables.
    pub(crate) pane: Pane,
    /// The newest events, oldest first.
    pub(crate) events: VecDeque<Event>,
    /// The newest log lines, oldest first.
    pub(crate) logs: VecDeque<LogView>,
    /// Something to be said once, above the footer.
    pub(crate) remark: Option<String>,
    /// The time of day, in milliseconds since the Unix epoch.
    pub(crate) now: i64,
}

/// Where the run is.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) enum Stage {
    /// Going on.
    #[default]
    Running,
    /// Being stopped.
    Stopping {
        /// What is waited for.
        waiting: String,
        /// Whether deadlines were cut short.
        hurried: bool,
    },
}

/// What is shown below the tables.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Pane {
    /// What happened.
    #[default]
    Events,
    /// What the instances write.
    Logs,
}

impl Model {
    /// Takes an event.
    pub(crate) fn push_event(&mut self, event: Event) {
        if self.events.back().is_some_and(|last| event.id <= last.id) {
            return;
        }
        if self.events.len() == KEPT {
            self.events.pop_front();
        }
        self.events.push_back(event);
    }

    /// Takes a log line.
    pub(crate) fn push_log(&mut self, line: LogView) {
        if self.logs.len() == KEPT {
            self.logs.pop_front();
        }
        self.logs.push_back(line);
    }

    /// The services whose log lines are shown, which decides their colours.
    fn log_services(&self) -> BTreeSet<&str> {
        self.logs.iter().map(|line| line.service.as_str()).collect()
    }
}
