//! The line to the supervisor: facts and status one way, decisions the other, in order.
//!
//! When the line breaks, what was not sent is dropped: the first thing after a new connection is
//! the status, from which the reconciler decides anew.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use runtime::TaskGroup;
use supervisor::{Changed, Supervisor, Update};
use tokio::sync::mpsc;

use crate::input::{Action, Input};

/// Decisions that wait to be sent.
const WAITING: usize = 64;

/// Between two looks at how everything is, when nothing happens.
const LOOK: Duration = Duration::from_secs(1);

/// A supervisor that has not answered for so long is asked over a new line.
const PATIENCE: Duration = Duration::from_secs(10);

/// Between two attempts to connect.
const RETRY: Duration = Duration::from_millis(50);

/// The sending end.
#[derive(Debug)]
pub(super) struct SupervisorLink {
    actions: mpsc::Sender<Action>,
}

impl SupervisorLink {
    pub(super) fn start(
        tasks: &mut TaskGroup<()>,
        path: PathBuf,
        inputs: mpsc::Sender<Input>,
    ) -> Self {
        let (actions, receiver) = mpsc::channel(WAITING);
        tasks.spawn("supervisor link", link(path, inputs, receiver));
        Self { actions }
    }

    pub(super) async fn send(&self, action: Action) {
        // The link lives as long as the loop; without it the loop ends anyway.
        self.actions.send(action).await.ok();
    }
}

async fn link(path: PathBuf, inputs: mpsc::Sender<Input>, mut actions: mpsc::Receiver<Action>) {
    loop {
        if let Ok(supervisor) = Supervisor::connect(&path).await {
            // Decisions made for a supervisor that is gone mean nothing to this one.
            while actions.try_recv().is_ok() {}
            converse(&supervisor, &inputs, &mut actions).await;
            if inputs.send(Input::Disconnected).await.is_err() {
                return;
            }
        }
        if inputs.is_closed() {
            return;
        }
        tokio::time::sleep(RETRY).await;
    }
}

/// Until the line breaks.
async fn converse(
    supervisor: &Supervisor,
    inputs: &mpsc::Sender<Input>,
    actions: &mut mpsc::Receiver<Action>,
) {
    let Ok(mut events) = supervisor.events(None).await else { return };
    let mut look = tokio::time::interval(LOOK);
    look.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut connected = false;
    let mut jobs: TaskGroup<()> = TaskGroup::new();
    loop {
        tokio::select! {
            update = events.next() => match update {
                Ok(Some(Update::Status(status))) => {
                    // Sent first, and again after events were missed: what follows from a new
                    // connection follows from that as well.
                    connected = true;
                    let input = Input::Connected(Box::new(status));
                    if inputs.send(input).await.is_err() { return }
                }
                Ok(Some(Update::Event(event))) => {
                    if inputs.send(Input::Happened(Box::new(event))).await.is_err() { return }
                    // What happened shows in the status at once, not at the next look.
                    look.reset_immediately();
                }
                Ok(None) | Err(_) => return,
            },
            _ = look.tick(), if connected => {
                let answer = tokio::time::timeout(PATIENCE, supervisor.status()).await;
                let Ok(Ok(status)) = answer else { return };
                if inputs.send(Input::Status(Box::new(status))).await.is_err() { return }
            }
            action = actions.recv() => {
                let Some(action) = action else { return };
                if !carry_out(supervisor, action, inputs, &mut jobs).await { return }
                look.reset_immediately();
            }
            Some(_done) = jobs.next() => {}
        }
    }
}

/// Sends one decision; says whether the line still stands.
async fn carry_out(
    supervisor: &Supervisor,
    action: Action,
    inputs: &mpsc::Sender<Input>,
    tasks: &mut TaskGroup<()>,
) -> bool {
    use supervisor::RequestError::{Failed, Lost, Refused};
    let result = match action {
        Action::Apply { plan, keep } => {
            let changed = if keep { Changed::Keep } else { Changed::Restart };
            supervisor.apply(Arc::new(plan), changed).await.map(drop)
        }
        Action::Secrets(values) => supervisor.secrets(values).await,
        Action::Job(job) => {
            let (supervisor, inputs) = (supervisor.clone(), inputs.clone());
            // The end of a job comes as a fact, also to a control that did not ask for it; only
            // the refusal to begin is told here alone.
            tasks.spawn(job.id.clone(), async move {
                let id = job.id.clone();
                if let Err(Refused(refusal)) = supervisor.run(job).await {
                    let refused = Input::JobRefused { job: id, reason: refusal.to_string() };
                    inputs.send(refused).await.ok();
                }
            });
            return true;
        }
        Action::RestartInstance(id) => match supervisor.restart(&id).await {
            Err(Refused(refusal)) => {
                return inputs.send(Input::Trouble(refusal.to_string())).await.is_ok();
            }
            other => other,
        },
        Action::Stop => {
            let supervisor = supervisor.clone();
            // Its progress is told to whoever asked the supervisor itself; control only begins it.
            tasks.spawn("stop", async move {
                supervisor.stop(drop).await.ok();
            });
            return true;
        }
        _ => return true,
    };
    match result {
        Ok(()) => true,
        Err(Refused(refusal)) => inputs.send(Input::PlanRefused(refusal.to_string())).await.is_ok(),
        Err(Lost | Failed(_)) => false,
    }
}
