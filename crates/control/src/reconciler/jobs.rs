//! Jobs: those of units, whose end moves the graph on, and those of the user, by schedule or hand.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use plan::{JobPlan, Step, Work, digest};
use supervisor::JobResult;

use super::{Life, Reconciler};
use crate::input::{Action, ReplyId};
use crate::narrate;
use crate::progress::Failure;
use crate::schedule;
use crate::store::{JobEnd, StoreError};
use crate::{Answer, EventKind, Level, Refusal, RefusalKind};

/// A job of the user's that runs.
#[derive(Debug)]
pub(crate) struct RunningJob {
    /// Who waits for its end.
    reply: Option<ReplyId>,
    /// How often it may be tried again.
    retries: u32,
}

impl Reconciler {
    /// Takes the end of any job.
    pub(super) fn job_ended(&mut self, job: &str, result: &JobResult) -> Result<(), StoreError> {
        if let Some(name) = job.strip_prefix("job-") {
            return self.user_job_ended(name, result);
        }
        let Some(unit) = self.progress.unit_of_job(job) else { return Ok(()) };
        let (id, node, activity) = (unit.id.clone(), unit.node.clone(), unit.activity.clone());
        if result.succeeded() {
            if let Work::Prepare { done, .. } = &unit.work
                && self.progress.counts(&id)
            {
                let digest = done.digest.clone().unwrap_or_else(|| digest(&unit.work));
                self.store.set_prepared(&id, &digest)?;
            }
            let text = format!("{activity} {}", narrate::job_end(result));
            self.say(Level::Info, &node, super::job_kind(&activity), text);
            if let Some(path) = self.progress.ended(&id, Ok(())) {
                self.remove(&node, path);
            }
        } else {
            let failure = Failure {
                reason: format!("{activity} failed: {}", narrate::job_end(result)),
                detail: result.last_lines.clone(),
            };
            self.fail(&node, super::job_kind(&activity), &failure);
            drop(self.progress.ended(&id, Err(failure)));
        }
        Ok(())
    }

    /// Has a build removed that was made of sources which changed meanwhile.
    fn remove(&mut self, node: &str, path: PathBuf) {
        self.actions.push(Action::Job(JobPlan {
            id: format!("{node}/remove"),
            service: node.to_owned(),
            steps: vec![Step::Remove { path }],
            deadline: Duration::from_secs(60),
        }));
    }

    /// Takes the supervisor's refusal to run a job.
    pub(super) fn job_refused(&mut self, job: &str, reason: String) {
        if let Some(name) = job.strip_prefix("job-") {
            self.say(Level::Error, name, EventKind::Job, reason.clone());
            if let Some(reply) = self.jobs.remove(name).and_then(|job| job.reply) {
                let kind = RefusalKind::Conflict;
                let refusal = Refusal { kind, title: reason, detail: Vec::new(), help: None };
                self.actions.push(Action::Reply(reply, Err(refusal)));
            }
            return;
        }
        let Some(unit) = self.progress.unit_of_job(job) else { return };
        let (id, node) = (unit.id.clone(), unit.node.clone());
        let failure = Failure { reason, detail: Vec::new() };
        self.fail(&node, EventKind::Build, &failure);
        drop(self.progress.ended(&id, Err(failure)));
    }

    fn user_job_ended(&mut self, name: &str, result: &JobResult) -> Result<(), StoreError> {
        let ok = result.succeeded();
        let text = narrate::job_end(result);
        let end = JobEnd { at: self.now(), ok, text: text.clone() };
        self.store.set_job_end(name, &end)?;
        if ok {
            self.say(Level::Info, name, EventKind::Job, text.clone());
        } else {
            let detail = result.last_lines.clone();
            self.fail(name, EventKind::Job, &Failure { reason: text.clone(), detail });
        }
        let Some(job) = self.jobs.remove(name) else { return Ok(()) };
        if !ok && 0 < job.retries {
            self.start_job(name, job.reply, Some(job.retries - 1));
            return Ok(());
        }
        if let Some(reply) = job.reply {
            let answer = Answer::Job { ok, text, lines: result.last_lines.clone() };
            self.actions.push(Action::Reply(reply, Ok(answer)));
        }
        Ok(())
    }

    /// Starts every job whose time has come.
    pub(super) fn due_jobs(&mut self) -> Result<(), StoreError> {
        if self.life == Life::Stopping {
            return Ok(());
        }
        let now = self.now();
        let scheduled: Vec<(String, String)> = self
            .plan
            .iter()
            .flat_map(|plan| &plan.jobs)
            .filter_map(|job| Some((job.name.clone(), job.schedule.clone()?)))
            .collect();
        for (name, expression) in scheduled {
            // A run is due when a scheduled moment lies between the last look and now.
            let since = self.looked_at.get(&name).copied().unwrap_or(now);
            let due = schedule::next(&expression, since).is_some_and(|next| next <= now);
            self.looked_at.insert(name.clone(), now);
            if !due {
                continue;
            }
            if self.jobs.contains_key(&name) {
                let text = "still runs; this turn is left out";
                self.say(Level::Warning, &name, EventKind::Job, text);
            } else {
                self.start_job(&name, None, None);
            }
        }
        Ok(())
    }

    /// Has a job of the user's run.
    pub(super) fn start_job(&mut self, name: &str, reply: Option<ReplyId>, retries: Option<u32>) {
        let found = self.plan.iter().flat_map(|plan| &plan.jobs).find(|job| job.name == name);
        let refusal = |kind, title: String| Refusal { kind, title, detail: Vec::new(), help: None };
        let refused = match found {
            None => Some(refusal(RefusalKind::Unknown, format!("there is no job `{name}`"))),
            Some(_) if self.jobs.contains_key(name) => {
                Some(refusal(RefusalKind::Conflict, format!("the job `{name}` runs already")))
            }
            Some(job) => {
                let missing = job.needs.iter().find(|unit| !self.progress.is_done(unit));
                missing.map(|unit| {
                    let title = format!("the job `{name}` needs `{unit}`, which is not ready");
                    refusal(RefusalKind::Unavailable, title)
                })
            }
        };
        let plan = found.map(|job| (job.job.clone(), job.retries));
        match (refused, plan) {
            (None, Some((job, most))) => {
                let retries = retries.unwrap_or(most);
                self.jobs.insert(name.to_owned(), RunningJob { reply, retries });
                self.say(Level::Info, name, EventKind::Job, "started");
                self.actions.push(Action::Job(job));
            }
            (refused, _) => {
                let Some(refused) = refused else { return };
                match reply {
                    Some(reply) => self.actions.push(Action::Reply(reply, Err(refused))),
                    None => self.say(Level::Error, name, EventKind::Job, refused.title),
                }
            }
        }
    }

    /// Lets go of jobs that the supervisor does not know any more.
    pub(super) fn forget_jobs(&mut self, running: &BTreeSet<String>) {
        let gone: Vec<String> = self
            .jobs
            .keys()
            .filter(|name| !running.contains(&format!("job-{name}")))
            .cloned()
            .collect();
        for name in gone {
            let job = self.jobs.remove(&name);
            self.say(Level::Error, &name, EventKind::Job, "how it ended is not known");
            if let Some(reply) = job.and_then(|job| job.reply) {
                let refusal = Refusal {
                    kind: RefusalKind::Unavailable,
                    title: format!("how the job `{name}` ended is not known"),
                    detail: Vec::new(),
                    help: Some(format!("look at `mainstay logs {name}`")),
                };
                self.actions.push(Action::Reply(reply, Err(refusal)));
            }
        }
    }
}
