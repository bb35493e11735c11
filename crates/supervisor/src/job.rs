//! Jobs: steps in order, until one fails.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use base::Clock as _;
use jiff::Timestamp;
use plan::{JobPlan, LimitsPlan, Step};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::capture::Output;
use crate::children::Ticket;
use crate::event::{EventKind, JobEvent};
use crate::launch::{Launch, LaunchError};
use crate::process::{Ended, Live, Owner};
use crate::protocol::{Refusal, Reply};
use crate::server::Asker;
use crate::status::JobStatus;
use crate::step::StepError;
use crate::supervision::{Event, Supervision, Timer};

/// What became of a job.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
pub struct JobResult {
    /// How it ended.
    pub ended: JobEnd,
    /// The step that ended it, from 0; the number of steps when all were done.
    pub step: usize,
    /// What its last command wrote last.
    pub last_lines: Vec<String>,
    /// How long it took.
    pub duration: Duration,
}

impl JobResult {
    /// Whether every step was done.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.ended == JobEnd::Exited { code: 0 }
    }
}

/// How a job ended.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum JobEnd {
    /// All steps were done (0), or a command exited with another code.
    Exited {
        /// The code.
        code: i32,
    },
    /// A signal ended a command.
    Signal {
        /// Its number.
        signal: i32,
        /// In words, with the cause where it is known.
        reason: String,
    },
    /// A step could not be carried out.
    Failed {
        /// What was attempted, and why it failed.
        reason: String,
    },
    /// It took longer than its deadline.
    TimedOut,
    /// Somebody cancelled it.
    Cancelled,
}

/// A job that is running.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) plan: JobPlan,
    serial: u64,
    asker: Asker,
    step: usize,
    ticket: Option<Ticket>,
    pub(crate) output: Output,
    started: Duration,
    started_at: Timestamp,
    /// How it is to end, decided while a step was still at work.
    ending: Option<JobEnd>,
    /// Tells a step that is carried out elsewhere to give up.
    abandoned: Arc<AtomicBool>,
}

impl Supervision {
    /// Starts a job.
    pub(crate) fn run_job(&mut self, plan: JobPlan, asker: Asker) -> Result<(), Refusal> {
        if self.stop.is_some() {
            return Err(Refusal::Stopping);
        }
        if self.jobs.contains_key(&plan.id) {
            return Err(Refusal::JobRunning(plan.id));
        }
        let (id, deadline) = (plan.id.clone(), plan.deadline);
        let serial = self.number();
        let job = Job {
            serial,
            asker,
            step: 0,
            ticket: None,
            output: Output::new(&id, &plan.service, Some(self.disk.clone())),
            started: self.clock.now(),
            started_at: self.wall(),
            ending: None,
            abandoned: Arc::default(),
            plan,
        };
        self.jobs.insert(id.clone(), job);
        self.set_timer(deadline, Timer::JobDeadline { job: id.clone(), serial });
        self.tell_job(&id, JobEvent::Started);
        self.next_step(&id);
        Ok(())
    }

    /// Ends a job before its time.
    pub(crate) fn cancel_job(&mut self, id: &str) -> Result<(), Refusal> {
        if !self.jobs.contains_key(id) {
            return Err(Refusal::NoJob(id.to_owned()));
        }
        self.abandon(id, JobEnd::Cancelled);
        Ok(())
    }

    /// The job had its time.
    pub(crate) fn job_deadline(&mut self, id: &str, serial: u64) {
        if self.jobs.get(id).is_some_and(|job| job.serial == serial) {
            self.abandon(id, JobEnd::TimedOut);
        }
    }

    fn abandon(&mut self, id: &str, ending: JobEnd) {
        let Some(job) = self.jobs.get_mut(id) else { return };
        job.ending.get_or_insert(ending);
        job.abandoned.store(true, Ordering::Relaxed);
        if let Some(ticket) = job.ticket {
            self.kill(ticket, None);
        }
    }

    fn next_step(&mut self, id: &str) {
        let Some(job) = self.jobs.get(id) else { return };
        let (number, serial) = (job.step, job.serial);
        let Some(step) = job.plan.steps.get(number).cloned() else {
            self.end_job(id, JobEnd::Exited { code: 0 });
            return;
        };
        if let Step::Run { command, input, limits } = step {
            let launch = Launch::of(id, &command, &self.secrets, &self.surroundings);
            let input = input.map(|input| input.fill(&self.secrets)).transpose();
            let prepared = launch.and_then(|launch| {
                input.map_err(LaunchError::NoSecret).map(|input| (launch, input))
            });
            match prepared {
                Ok((mut launch, input)) => {
                    launch.reads_input = input.is_some();
                    self.launch_step(id, launch, limits, input);
                }
                Err(error) => self.job_process_failed(id, crate::disk::chain(&error)),
            }
            return;
        }
        self.tell_job(id, JobEvent::Step { step: number, pid: None });
        let content = match &step {
            Step::File { content, .. } => content.fill(&self.secrets),
            _ => Ok(base::Secret::new(String::new())),
        };
        let content = match content {
            Ok(content) => content,
            Err(secret) => {
                let reason = LaunchError::NoSecret(secret).to_string();
                self.job_process_failed(id, reason);
                return;
            }
        };
        let Some(job) = self.jobs.get(id) else { return };
        let (name, abandoned) = (id.to_owned(), Arc::clone(&job.abandoned));
        self.tasks.spawn("step", async move {
            let work = move || crate::step::carry_out(&step, &content, &abandoned);
            let result = tokio::task::spawn_blocking(work).await;
            let result = result.unwrap_or_else(|error| Err(StepError::broken(&error)));
            Some(Event::StepDone { job: name, serial, result })
        });
    }

    fn launch_step(
        &mut self,
        id: &str,
        mut launch: Launch,
        limits: LimitsPlan,
        input: Option<base::Secret>,
    ) {
        let output = match self.cgroups.create(id, limits) {
            Ok((cgroup, lacks)) => {
                launch.cgroup = cgroup;
                if !lacks.is_empty() {
                    self.notice(format!("no cgroups here: limits of job `{id}` have no effect"));
                }
                self.jobs.get(id).map(|job| job.output.clone())
            }
            Err(error) => {
                self.job_process_failed(id, format!("cannot make its control group: {error}"));
                return;
            }
        };
        let Some(output) = output else { return };
        let ticket = self.launch(Owner::Job(id.to_owned()), launch, output);
        if let Some(live) = self.lives.get_mut(&ticket) {
            live.input = input;
        }
        if let Some(job) = self.jobs.get_mut(id) {
            job.ticket = Some(ticket);
        }
    }

    /// A step's process runs.
    pub(crate) fn job_process_started(&mut self, id: &str, ticket: Ticket) {
        let pid = self.lives.get(&ticket).and_then(|live| live.pid);
        let Some(step) = self.jobs.get(id).map(|job| job.step) else { return };
        self.tell_job(id, JobEvent::Step { step, pid });
    }

    /// A step's process could not be started.
    pub(crate) fn job_process_failed(&mut self, id: &str, reason: String) {
        self.end_job(id, JobEnd::Failed { reason });
    }

    /// A step's process has ended.
    pub(crate) fn job_process_ended(&mut self, id: &str, live: &Live, ended: Ended) {
        let Some(job) = self.jobs.get_mut(id) else { return };
        job.ticket = None;
        if let Some(ending) = job.ending.take() {
            self.end_job(id, ending);
            return;
        }
        match (ended.code, ended.signal) {
            (Some(0), _) => {
                job.step += 1;
                self.next_step(id);
            }
            (Some(code), _) => self.end_job(id, JobEnd::Exited { code }),
            (None, signal) => {
                let limit = match job.plan.steps.get(job.step) {
                    Some(Step::Run { limits, .. }) => limits.memory,
                    _ => None,
                };
                let reason = crate::exits::describe(live, ended, limit);
                self.end_job(id, JobEnd::Signal { signal: signal.unwrap_or(0), reason });
            }
        }
    }

    /// A step that is no process was carried out.
    pub(crate) fn step_done(&mut self, id: &str, serial: u64, result: Result<(), StepError>) {
        let Some(job) = self.jobs.get_mut(id).filter(|job| job.serial == serial) else { return };
        if let Some(ending) = job.ending.take() {
            self.end_job(id, ending);
            return;
        }
        match result {
            Ok(()) => {
                job.step += 1;
                self.next_step(id);
            }
            Err(error) => {
                self.end_job(id, JobEnd::Failed { reason: crate::disk::chain(&error) });
            }
        }
    }

    fn end_job(&mut self, id: &str, ended: JobEnd) {
        let now = self.clock.now();
        let Some(job) = self.jobs.get(id) else { return };
        let result = JobResult {
            ended,
            step: job.step,
            last_lines: job.output.last_lines(),
            duration: now.saturating_sub(job.started),
        };
        self.tell_job(id, JobEvent::Ended(result.clone()));
        if let Some(job) = self.jobs.remove(id) {
            // Whoever asked may have gone; the event was told to everybody.
            job.asker.reply(Reply::Job(result));
        }
        self.advance_stop();
    }

    fn tell_job(&mut self, id: &str, event: JobEvent) {
        let Some(job) = self.jobs.get(id) else { return };
        let service = job.plan.service.clone();
        self.tell(EventKind::Job { job: id.to_owned(), service, event });
    }

    pub(crate) fn job_status(&self, job: &Job) -> JobStatus {
        let live = job.ticket.and_then(|ticket| self.lives.get(&ticket));
        JobStatus {
            id: job.plan.id.clone(),
            service: job.plan.service.clone(),
            step: job.step,
            pid: live.and_then(|live| live.pid),
            started_at: job.started_at,
        }
    }
}
