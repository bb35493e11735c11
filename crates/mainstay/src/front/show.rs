//! What the user sees of a run: a live view, lines, or JSON.

use std::io;
use std::time::Duration;

use control::{AppStatus, Event, Health, Level};
use supervisor::StopProgress;
use tokio::sync::mpsc;

use super::Wanted;
use super::updates::Update;
use crate::commands::{Context, events};
use crate::ending;
use crate::failure::Failure;
use crate::live::{self, Key, Model, Pane, Screen, Stage};
use crate::output::{Output, Style};

/// Lines of detail that are repeated at the end of a start that failed.
const LAST_LINES: usize = 20;

/// How long a remark stays.
const REMARK_MILLIS: i64 = 15_000;

/// The user's side of the front end.
#[derive(Debug)]
pub(super) struct Show {
    output: Output,
    model: Model,
    screen: Option<(Screen, mpsc::Receiver<Key>)>,
    follows_logs: bool,
    said_notices: bool,
    remarked_at: Option<i64>,
}

impl Show {
    pub(super) fn new(context: &Context, wanted: &Wanted, environment: &str) -> io::Result<Self> {
        let is_watched = Output::is_watched() && !wanted.plain && !wanted.detach;
        let output = context.output;
        let screen = if is_watched { Some(Screen::open()?) } else { None };
        if screen.is_none() && !output.is_json() {
            output.note(&format!("bringing `{}` up in `{environment}`", wanted.app));
        }
        let model = Model {
            app: wanted.app.clone(),
            environment: environment.to_owned(),
            now: now(),
            ..Model::default()
        };
        Ok(Self {
            output,
            model,
            screen,
            follows_logs: false,
            said_notices: false,
            remarked_at: None,
        })
    }

    /// The newest status.
    pub(super) fn status(&self) -> Option<&AppStatus> {
        self.model.status.as_ref()
    }

    /// Whether control was ever heard of.
    pub(super) fn knows_something(&self) -> bool {
        self.model.console.is_some() || self.model.status.is_some()
    }

    /// Waits for a key; for ever when there is no live view. Safe to drop at any time.
    pub(super) async fn key(&mut self) -> Key {
        match &mut self.screen {
            Some((_, keys)) => keys.recv().await.unwrap_or(Key::Gone),
            None => std::future::pending().await,
        }
    }

    /// Draws, if there is something to draw on.
    pub(super) fn refresh(&mut self) -> Result<(), Failure> {
        let Some((screen, _)) = &mut self.screen else { return Ok(()) };
        let colour = self.output.has_colour();
        let lines = live::draw(&self.model, Screen::size(), colour);
        Ok(screen.show(&lines)?)
    }

    pub(super) fn tick(&mut self) {
        self.model.now = now();
        if self.remarked_at.is_some_and(|at| at + REMARK_MILLIS < self.model.now) {
            self.model.remark = None;
        }
    }

    pub(super) fn resized(&mut self) {
        if let Some((screen, _)) = &mut self.screen {
            screen.forget();
        }
    }

    /// Shows what came.
    pub(super) fn update(&mut self, update: Update) -> Result<(), Failure> {
        match update {
            Update::Status(status) => self.model.status = Some(*status),
            Update::Console(url) => self.model.console = Some(url),
            Update::Log(line) => self.model.push_log(line),
            Update::Stop(progress) => self.progress(&progress),
            // Whoever takes it ends the run.
            Update::NoControl(_) => {}
            Update::Unheard => self.stopping("waiting for the supervisor, which does not listen"),
            Update::Event(event) => {
                if self.screen.is_none() {
                    events::print(&self.output, &event)?;
                }
                self.model.push_event(event);
            }
        }
        self.notices()
    }

    /// Says once what the manifest asks for that has no effect yet.
    fn notices(&mut self) -> Result<(), Failure> {
        let Some(status) = &self.model.status else { return Ok(()) };
        if self.said_notices || status.notices.is_empty() || self.screen.is_some() {
            return Ok(());
        }
        self.said_notices = true;
        if !self.output.is_json() {
            self.output.note(&format!("note: {}", status.notices.join("; ")));
        }
        Ok(())
    }

    fn progress(&mut self, progress: &StopProgress) {
        let hurried = matches!(progress, StopProgress::Hurried);
        if hurried {
            self.hurried();
        } else {
            self.stopping(&ending::sentence(progress));
        }
    }

    /// Shows what a stop waits for.
    pub(super) fn stopping(&mut self, waiting: &str) {
        let was_hurried = matches!(self.model.stage, Stage::Stopping { hurried: true, .. });
        self.model.stage = Stage::Stopping { waiting: waiting.to_owned(), hurried: was_hurried };
        if self.screen.is_none() && !self.output.is_json() {
            self.output.note(waiting);
        }
    }

    /// Shows that deadlines are cut short.
    pub(super) fn hurried(&mut self) {
        if matches!(self.model.stage, Stage::Stopping { hurried: true, .. }) {
            return;
        }
        let waiting = "not waiting any longer".to_owned();
        if self.screen.is_none() && !self.output.is_json() {
            self.output.note(&waiting);
        }
        self.model.stage = Stage::Stopping { waiting, hurried: true };
    }

    /// Says something that is no event of control's.
    pub(super) fn remark(&mut self, text: &str) -> Result<(), Failure> {
        if self.screen.is_none() && !self.output.is_json() {
            self.output.note(text);
        }
        self.model.remark = Some(text.to_owned());
        self.remarked_at = Some(now());
        self.refresh()
    }

    /// Says that everything is up, where there is no live view that shows it.
    pub(super) fn came_up(&mut self, took: Duration) -> Result<(), Failure> {
        if self.screen.is_some() {
            return Ok(());
        }
        let urls = self.status().map(|status| status.urls.clone()).unwrap_or_default();
        let console = self.model.console.clone().unwrap_or_default();
        if self.output.is_json() {
            return self.output.record(&serde_json::json!({
                "up": { "urls": urls, "console": console, "seconds": took.as_secs_f64() }
            }));
        }
        let ok = self.output.style(Style::Good, "up");
        self.output.line(&format!("{ok} after {:.1} s", took.as_secs_f64()))?;
        for url in urls {
            self.output.line(&format!("  {url}"))?;
        }
        self.output.line(&format!("  console {console}"))
    }

    /// Changes what is below the tables; whether log lines are wanted that nobody follows yet.
    pub(super) fn toggle(&mut self) -> bool {
        self.model.pane = match self.model.pane {
            Pane::Events => Pane::Logs,
            Pane::Logs => Pane::Events,
        };
        let wanted = self.model.pane == Pane::Logs && !self.follows_logs;
        self.follows_logs |= wanted;
        wanted
    }

    /// Gives the terminal back.
    pub(super) fn leave(&mut self) {
        self.screen = None;
    }

    /// What was told last of what does not work, with its last lines.
    pub(super) fn failing(&self) -> Option<(String, Vec<String>)> {
        let reason = match &self.status()?.health {
            Health::Failing { reason, .. } => Some(reason.clone()),
            _ => None,
        };
        let is_bad = |event: &&Event| event.level == Level::Error;
        let event = self.model.events.iter().rev().find(is_bad);
        let text = event.map(|event| format!("{}: {}", event.subject, event.text));
        let reason = reason.or(text)?;
        let lines = event.map(|event| event.detail.clone()).unwrap_or_default();
        let skip = lines.len().saturating_sub(LAST_LINES);
        let lines = lines.iter().skip(skip);
        Some((
            reason,
            lines.map(|line| format!("  {}", crate::text::sanitized(line, false))).collect(),
        ))
    }

    /// What is not up and what it waits for, when nothing has failed.
    pub(super) fn held(&self) -> Option<String> {
        let status = self.status().filter(|status| status.state == control::State::Starting)?;
        let node = status.nodes.iter().find(|node| !matches!(node.health, Health::Ok { .. }))?;
        let instance = node.instances.iter().find_map(|instance| instance.reason.clone());
        let doing = match &node.health {
            Health::Ok { .. } => String::new(),
            Health::Failing { reason, .. }
            | Health::Held { reason, .. }
            | Health::Stale { reason, .. }
            | Health::NotMeasured { reason, .. } => reason.clone(),
        };
        let why = instance.map(|reason| format!(", {reason}")).unwrap_or_default();
        Some(format!("{}: {doing}{why}", node.name))
    }

    /// Says that it goes on without us.
    pub(super) fn left_running(&self, was_asked: bool) -> Result<(), Failure> {
        if self.output.is_json() {
            return Ok(());
        }
        if !was_asked {
            self.output.line("detached; it goes on")?;
        }
        self.output.line("  see `mainstay status`, stop it with `mainstay down`")
    }
}

fn now() -> i64 {
    jiff::Timestamp::now().as_millisecond()
}
