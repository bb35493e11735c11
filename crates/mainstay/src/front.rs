//! The front end of a run: starts the supervisor, shows what happens, stops everything in order.
//!
//! It holds the leash, a pipe whose end tells the supervisor to stop in order: however this process
//! goes, what it started goes too. A supervisor that is killed is started again, a few times.

mod show;
mod start;
mod updates;

use std::time::Duration;

use base::Clock as _;
use control::{AppStatus, Health, State};
use runtime::{SystemClock, TaskGroup};
use tokio::io::AsyncWriteExt as _;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::mpsc;

use crate::commands::Context;
use crate::ending::{self, Ended};
use crate::exit::Exit;
use crate::failure::{Failure, Outcome};
use crate::live::Key;
use crate::place::Place;
use crate::processes::RunArgs;
use show::Show;
use start::Started;
use updates::Update;

pub(crate) use start::already_up;

/// What was asked for.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    /// The application's name.
    pub(crate) app: String,
    /// Whether to return when it is up.
    pub(crate) detach: bool,
    /// Whether lines are wanted rather than a live view.
    pub(crate) plain: bool,
    /// When to give up.
    pub(crate) timeout: Option<Duration>,
}

/// Supervisors in a row that may be killed before everything is up; then it is not tried again.
const MOST_STARTS: u32 = 5;

/// A detached start that fails for so long will not mend itself while nobody looks.
const HOPELESS: Duration = Duration::from_secs(10);

/// Updates that wait to be shown; whoever sends more waits.
const WAITING: usize = 256;

/// Why the loop ended.
enum Verdict {
    /// Everything is stopped, or was by somebody else.
    Stopped,
    /// It is up, or was, and is left alone.
    LeftRunning,
}

struct Front<'a> {
    context: &'a Context,
    place: &'a Place,
    run: &'a RunArgs,
    wanted: &'a Wanted,
    clock: SystemClock,
    show: Show,
    started: Started,
    starts: u32,
    updates: mpsc::Receiver<Update>,
    sender: mpsc::Sender<Update>,
    tasks: TaskGroup<()>,
    stopping_since: Option<Duration>,
    /// What was wrong when the end was asked for; what stops looks wrong as well.
    failing: Option<(String, Vec<String>)>,
    /// Whether the supervisor could not be asked to stop and was told by other means.
    unheard: bool,
    came_up: bool,
    gave_up: Option<String>,
}

/// Signals that mean: stop in order.
struct Signals {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

/// Brings the application up and stays with it until it is stopped, or up when detached.
pub(crate) async fn up(
    context: &Context,
    place: &Place,
    run: &RunArgs,
    wanted: &Wanted,
) -> Outcome {
    let failed = |error: std::io::Error| Failure::of(Exit::No, &error);
    let signals = Signals {
        interrupt: signal(SignalKind::interrupt()).map_err(failed)?,
        terminate: signal(SignalKind::terminate()).map_err(failed)?,
        hangup: signal(SignalKind::hangup()).map_err(failed)?,
    };
    let started = start::supervisor(place, run, !wanted.detach)?;
    let (sender, updates) = mpsc::channel(WAITING);
    let mut tasks = TaskGroup::new();
    updates::follow(&mut tasks, place, &run.run, sender.clone());
    updates::watch_control(&mut tasks, place, &run.run, sender.clone());
    let show = Show::new(context, wanted, &place.environment).map_err(failed)?;
    let clock = SystemClock::new();
    let mut front = Front {
        context,
        place,
        run,
        wanted,
        clock,
        show,
        started,
        starts: 1,
        updates,
        sender,
        tasks,
        stopping_since: None,
        failing: None,
        unheard: false,
        came_up: false,
        gave_up: None,
    };
    let verdict = front.follow(signals).await;
    front.tasks.stop().await;
    front.end(verdict?).await
}

impl Front<'_> {
    async fn follow(&mut self, mut signals: Signals) -> Result<Verdict, Failure> {
        let mut second = tokio::time::interval(Duration::from_secs(1));
        second.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            self.show.refresh()?;
            tokio::select! {
                Some(update) = self.updates.recv() => {
                    if let Some(verdict) = self.take(update)? {
                        return Ok(verdict);
                    }
                }
                key = self.show.key() => {
                    if let Some(verdict) = self.press(key).await? {
                        return Ok(verdict);
                    }
                }
                () = self.started.ended(self.place) => {
                    if self.supervisor_ended().await? {
                        return Ok(Verdict::Stopped);
                    }
                }
                _ = signals.interrupt.recv() => self.stop(),
                _ = signals.terminate.recv() => self.stop(),
                _ = signals.hangup.recv() => {
                    self.show.leave();
                    self.stop_once();
                }
                _ = second.tick() => {
                    self.show.tick();
                    self.look_at_the_clock();
                }
            }
        }
    }

    /// Shows what came; a detached start ends when everything is up.
    fn take(&mut self, update: Update) -> Result<Option<Verdict>, Failure> {
        if let Update::Unheard = &update {
            self.unheard = true;
            self.started.let_go();
        }
        if let Update::NoControl(lines) = update {
            if !self.show.knows_something() && self.stopping_since.is_none() {
                self.gave_up = Some("control ends at every start".to_owned());
                self.stop_once();
                let what = "what it wrote last:".to_owned();
                self.failing = Some((what, lines));
            }
            return Ok(None);
        }
        if let Update::Status(status) = &update {
            if status.state == State::Running {
                self.starts = 1;
            }
            let is_first = status.state == State::Running && !self.came_up;
            self.came_up |= is_first;
            self.show.update(update)?;
            if is_first {
                self.show.came_up(self.clock.now())?;
                if self.wanted.detach && self.stopping_since.is_none() {
                    return Ok(Some(Verdict::LeftRunning));
                }
            }
            return Ok(None);
        }
        self.show.update(update)?;
        Ok(None)
    }

    async fn press(&mut self, key: Key) -> Result<Option<Verdict>, Failure> {
        match key {
            Key::Stop => self.stop(),
            Key::Detach if self.stopping_since.is_none() => {
                let Some(mut leash) = self.started.leash.take() else { return Ok(None) };
                // One byte lets go; without it the pipe's end would stop everything.
                let let_go = leash.write_all(b"d").await;
                let_go.map_err(|error| {
                    Failure::new(Exit::No, "cannot detach; everything is being stopped")
                        .because(&error)
                })?;
                return Ok(Some(Verdict::LeftRunning));
            }
            Key::Detach => {}
            Key::Toggle => {
                if self.show.toggle() {
                    updates::follow_logs(&mut self.tasks, self.place, self.sender.clone());
                }
            }
            Key::Resized => self.show.resized(),
            Key::Gone => {
                self.show.leave();
                self.stop_once();
            }
        }
        Ok(None)
    }

    /// Whether the end of the supervisor is the end of the run; else it is started again.
    async fn supervisor_ended(&mut self) -> Result<bool, Failure> {
        if let Some(pid) = self.started.lost_to(self.place) {
            self.show.leave();
            return Err(already_up(self.place, pid).await);
        }
        if self.stopping_since.is_some() || self.started.ended_well() {
            return Ok(true);
        }
        if !self.show.knows_something() {
            self.show.leave();
            return Err(start::no_start(self.place, &self.started));
        }
        self.starts += 1;
        if MOST_STARTS < self.starts {
            self.show.leave();
            return Err(Failure::new(Exit::No, "the supervisor keeps dying; it is left at that")
                .help("run `mainstay down` to make sure that nothing is left"));
        }
        self.show
            .remark("the supervisor was killed and is started again; everything starts anew")?;
        self.started = start::supervisor(self.place, self.run, !self.wanted.detach)?;
        Ok(false)
    }

    /// The first time in order, the second time without waiting.
    fn stop(&mut self) {
        if self.stopping_since.is_none() {
            self.stop_once();
            return;
        }
        self.show.hurried();
        if self.unheard {
            self.started.kill(self.place);
        }
        updates::hurry(&mut self.tasks, self.place, &self.run.run);
    }

    fn stop_once(&mut self) {
        if self.stopping_since.is_some() {
            return;
        }
        self.stopping_since = Some(self.clock.now());
        self.failing = self.show.failing();
        self.show.stopping("asking everything to stop");
        updates::stop(&mut self.tasks, self.place, &self.run.run, self.sender.clone());
    }

    /// Gives up on a start that takes too long or fails while nobody looks.
    fn look_at_the_clock(&mut self) {
        if self.came_up || self.stopping_since.is_some() {
            return;
        }
        let waited = self.clock.now();
        if let Some(timeout) = self.wanted.timeout.filter(|timeout| *timeout <= waited) {
            let text = base::format_duration(timeout);
            self.gave_up = Some(format!("it was not up after {text}"));
        } else if self.wanted.detach && self.show.status().is_some_and(is_hopeless) {
            self.gave_up = Some("it could not come up".to_owned());
        } else {
            return;
        }
        let held = self.show.held();
        self.stop_once();
        if self.failing.is_none() {
            self.failing = held.map(|reason| (reason, Vec::new()));
        }
    }

    async fn end(mut self, verdict: Verdict) -> Outcome {
        let failing = match self.stopping_since {
            Some(_) => self.failing.take(),
            None => self.show.failing(),
        };
        self.show.leave();
        match verdict {
            Verdict::LeftRunning => {
                self.show.left_running(self.wanted.detach)?;
                return Ok(Exit::Done);
            }
            Verdict::Stopped => {}
        }
        let mut ended = ending::prove(self.place, true, &self.clock).await?;
        if let Some(since) = self.stopping_since {
            ended.took = ended.took.saturating_sub(since);
        }
        self.tell_end(&ended, failing)
    }

    fn tell_end(&self, ended: &Ended, failing: Option<(String, Vec<String>)>) -> Outcome {
        let out = &self.context.output;
        if out.is_json() {
            out.record(
                &serde_json::json!({ "ended": { "proof": ended.proof, "came_up": self.came_up } }),
            )?;
        } else {
            out.line(&ended.to_string())?;
        }
        let failed = (!self.came_up).then(|| failing.clone()).flatten();
        let title = match (&self.gave_up, &failed) {
            (Some(why), _) => why.clone(),
            (None, Some(_)) => "it did not come up".to_owned(),
            (None, None) if !ended.proof.clean() => return Ok(Exit::No),
            (None, None) if self.came_up => return Ok(Exit::Done),
            (None, None) if self.stopping_since.is_some() => return Ok(Exit::Interrupted),
            (None, None) => "it was stopped before it was up".to_owned(),
        };
        let failure = Failure::new(Exit::No, title);
        let failure = match failing {
            Some((reason, lines)) => lines.into_iter().fold(failure.line(reason), Failure::line),
            None => failure,
        };
        Err(failure.help("nothing is left running; `mainstay logs` shows all that was written"))
    }
}

/// Failing for so long that nobody who looks later should find it still trying.
fn is_hopeless(status: &AppStatus) -> bool {
    let hopeless = i64::try_from(HOPELESS.as_millis()).unwrap_or(i64::MAX);
    match &status.health {
        Health::Failing { since, .. } => hopeless <= status.at - since,
        Health::Ok { .. }
        | Health::Held { .. }
        | Health::Stale { .. }
        | Health::NotMeasured { .. } => false,
    }
}
