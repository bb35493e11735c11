//! Jobs: commands that end, with the build and the environment of the service they belong to.

use std::time::Duration;

use manifest::{Job, Manifest};

use super::{Resolver, services};
use crate::{CommandPlan, JobPlan, ScheduledJobPlan, Step};

/// A job without `timeout` may take as long as it likes; a week is as good as for ever.
const NO_TIMEOUT: Duration = Duration::from_secs(7 * 86_400);

impl<'a> Resolver<'a> {
    pub(super) fn resolve_jobs(&mut self) {
        let manifest: &'a Manifest = self.manifest;
        for job in &manifest.jobs {
            let resolved = self.resolve_job(job);
            self.plan.jobs.extend(resolved);
        }
    }

    fn resolve_job(&mut self, job: &'a Job) -> Option<ScheduledJobPlan> {
        let (mut command, mut needs) = match &job.of {
            Some(of) => {
                let service = self.services.get(of.as_str())?;
                (service.command.clone(), service.needs.clone())
            }
            None => {
                let users = &self.observed.users;
                let user = if users.root { users.services.clone() } else { None };
                (CommandPlan { user, ..CommandPlan::default() }, Vec::new())
            }
        };
        if let Some(build) = &job.build {
            let outcome = self.build(&job.name, build, false)?;
            needs.extend(outcome.units.iter().map(|unit| unit.id.clone()));
            let environment = std::mem::take(&mut command.environment);
            command = outcome.command;
            command.environment.extend(environment);
            self.plan.units.extend(outcome.units);
        }
        let directory = job.dir.as_ref().map(|dir| dir.value.as_str());
        self.replace_command(&mut command, &job.run, directory)?;
        let variables = self.variables(&job.env, &job.secrets);
        command.environment.extend(variables);
        let limits = services::limits(&job.size);
        Some(ScheduledJobPlan {
            name: job.name.to_string(),
            schedule: job.schedule.as_ref().map(|schedule| schedule.to_string()),
            retries: job.retries.value,
            needs,
            job: JobPlan {
                id: format!("job-{}", job.name.value),
                service: job.name.to_string(),
                steps: vec![Step::Run { command, input: None, limits }],
                deadline: job.timeout.map_or(NO_TIMEOUT, |timeout| timeout.value),
            },
        })
    }
}
