//! Stopping everything in order: first the gateway, which drains; then the instances, tier by tier
//! from the highest; then control, which has watched until then.
//!
//! Within a tier everything stops at once. A tier begins when the one above has ended, each of
//! whose members was killed after its own deadline, so that the whole has an end.

use plan::JobPlan;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::children::{Order, Ticket};
use crate::event::EventKind;
use crate::process::Owner;
use crate::protocol::Reply;
use crate::server::Asker;
use crate::supervision::{Supervision, Timer};

/// What a worker is asked to stop with.
const TERMINATE: i32 = 15;

/// How far a stop has come.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StopProgress {
    /// The gateway accepts nothing new and finishes what it has.
    Draining,
    /// These instances are being stopped.
    Instances {
        /// Their tier.
        tier: u32,
        /// Their ids.
        ids: Vec<String>,
    },
    /// Control is being stopped.
    Control,
    /// Deadlines were cut short.
    Hurried,
    /// Every process has ended.
    Ended,
}

/// A stop under way.
#[derive(Debug)]
pub(crate) struct Stop {
    pub(crate) askers: Vec<Asker>,
    stage: Stage,
    hurried: bool,
    /// Whether the next stage is being found right now.
    advancing: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    Gateway,
    Jobs,
    Instances,
    Control,
    Ended,
}

impl Supervision {
    /// A signal to stop has come: the first stops in order, the second in a hurry.
    pub(crate) fn stop_signal(&mut self) {
        self.signals += 1;
        self.stop_asked(None);
        if 1 < self.signals {
            self.hurry();
        }
    }

    /// Begins to stop; whoever asks later is told about the rest.
    pub(crate) fn stop_asked(&mut self, asker: Option<Asker>) {
        if let Some(stop) = &mut self.stop {
            stop.askers.extend(asker);
            return;
        }
        let askers = asker.into_iter().collect();
        self.stop = Some(Stop { askers, stage: Stage::Gateway, hurried: false, advancing: false });
        self.tell_progress(StopProgress::Draining);
        let gateways: Vec<String> = self
            .workers
            .iter()
            .filter(|(_, worker)| worker.process.sockets)
            .map(|(name, _)| name.clone())
            .collect();
        for name in gateways {
            self.stop_worker(&name);
        }
        let jobs: Vec<String> =
            self.jobs.values().map(|job| &job.plan).map(|JobPlan { id, .. }| id.clone()).collect();
        for job in jobs {
            // It may have ended in the meantime, which is as good.
            self.cancel_job(&job).ok();
        }
        self.advance_stop();
    }

    /// Kills what is being stopped now, and everything later without waiting.
    pub(crate) fn hurry(&mut self) {
        let Some(stop) = &mut self.stop else { return };
        if stop.hurried {
            return;
        }
        stop.hurried = true;
        self.tell_progress(StopProgress::Hurried);
        let waiting: Vec<Ticket> = self
            .workers
            .values()
            .filter(|worker| worker.stopping)
            .filter_map(|worker| worker.ticket)
            .chain(
                self.instances
                    .values()
                    .filter(|instance| !instance.wanted())
                    .filter_map(|instance| instance.ticket),
            )
            .collect();
        for ticket in waiting {
            self.kill(ticket, None);
        }
    }

    fn stop_worker(&mut self, name: &str) {
        let hurried = self.stop.as_ref().is_some_and(|stop| stop.hurried);
        let Some(worker) = self.workers.get_mut(name) else { return };
        worker.stopping = true;
        let Some(ticket) = worker.ticket else { return };
        let deadline = worker.process.deadline;
        if hurried {
            self.kill(ticket, None);
            return;
        }
        self.children.order(Order::Stop { ticket, signal: TERMINATE });
        self.set_timer(deadline, Timer::StopDeadline { ticket });
    }

    /// Something has ended: goes on with whatever is next.
    pub(crate) fn advance_stop(&mut self) {
        match &mut self.stop {
            Some(stop) if !stop.advancing => stop.advancing = true,
            _ => return,
        }
        while self.advance_once() {}
        if let Some(stop) = &mut self.stop {
            stop.advancing = false;
        }
    }

    /// Returns whether the stage is over.
    fn advance_once(&mut self) -> bool {
        let Some(stage) = self.stop.as_ref().map(|stop| stop.stage) else { return false };
        let next = match stage {
            Stage::Gateway => {
                let running = |worker: &crate::platform::Worker| {
                    worker.process.sockets && worker.ticket.is_some()
                };
                if self.workers.values().any(running) {
                    return false;
                }
                Stage::Jobs
            }
            Stage::Jobs => {
                if !self.jobs.is_empty() {
                    return false;
                }
                Stage::Instances
            }
            Stage::Instances => {
                if self.stop_highest_tier() {
                    return false;
                }
                self.tell_progress(StopProgress::Control);
                let names: Vec<String> = self.workers.keys().cloned().collect();
                for name in names {
                    self.stop_worker(&name);
                }
                Stage::Control
            }
            Stage::Control => {
                if self.workers.values().any(|worker| worker.ticket.is_some()) {
                    return false;
                }
                self.tell_progress(StopProgress::Ended);
                Stage::Ended
            }
            Stage::Ended => return false,
        };
        if let Some(stop) = &mut self.stop {
            stop.stage = next;
        }
        true
    }

    /// Stops the highest tier that still runs; `false` when none does.
    fn stop_highest_tier(&mut self) -> bool {
        let running = self.instances.values().filter(|instance| instance.ticket.is_some());
        let Some(tier) = running.map(|instance| instance.plan.tier).max() else {
            let ids: Vec<String> = self.instances.keys().cloned().collect();
            for id in ids {
                self.stop_instance(&id);
            }
            return false;
        };
        // Whoever waits for a restart must not come back either.
        let ids: Vec<String> = self
            .instances
            .iter()
            .filter(|(_, instance)| instance.wanted() && tier <= instance.plan.tier)
            .map(|(id, _)| id.clone())
            .collect();
        if ids.is_empty() {
            self.stop_replaced(tier);
            return true;
        }
        for id in &ids {
            self.stop_instance(id);
        }
        self.tell_progress(StopProgress::Instances { tier, ids });
        self.hurry_instances();
        true
    }

    /// An instance that was being stopped for another reason must not be started again.
    fn stop_replaced(&mut self, tier: u32) {
        let ids: Vec<String> = self
            .instances
            .iter()
            .filter(|(_, instance)| instance.plan.tier == tier && instance.ticket.is_some())
            .map(|(id, _)| id.clone())
            .collect();
        for id in ids {
            self.stop_instance(&id);
        }
    }

    fn hurry_instances(&mut self) {
        if self.stop.as_ref().is_some_and(|stop| stop.hurried) {
            let tickets: Vec<Ticket> = self
                .instances
                .values()
                .filter(|instance| !instance.wanted())
                .filter_map(|instance| instance.ticket)
                .collect();
            for ticket in tickets {
                self.kill(ticket, None);
            }
        }
    }

    fn tell_progress(&mut self, progress: StopProgress) {
        if let Some(stop) = &self.stop {
            for asker in &stop.askers {
                asker.reply(Reply::Stopping(progress.clone()));
            }
        }
        self.tell(EventKind::Stop(progress));
    }

    /// Whether everything was stopped and read to its end.
    pub(crate) fn finished(&self) -> bool {
        let ended = self.stop.as_ref().is_some_and(|stop| stop.stage == Stage::Ended);
        ended && self.lives.values().all(|live| live.owner == Owner::Keeper)
    }
}
