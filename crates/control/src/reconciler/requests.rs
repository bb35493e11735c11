//! What people ask for: restarts, jobs, migrations, another look at the manifest, the end.

use plan::{MigrationPlan, Work};
use supervisor::Phase;

use super::{Life, Reconciler};
use crate::input::{Action, ReplyId};
use crate::{Answer, EventKind, Level, Refusal, RefusalKind, Request};

/// The next instance is restarted although the one before is not ready after so many milliseconds.
const RESTART_PATIENCE: i64 = 120_000;

impl Reconciler {
    pub(super) fn request(&mut self, request: Request, reply: ReplyId) {
        if self.life == Life::Stopping {
            let refusal = refuse(RefusalKind::Conflict, "everything is being stopped");
            self.actions.push(Action::Reply(reply, Err(refusal)));
            return;
        }
        let answer = match request {
            Request::Restart { service } => self.restart(&service),
            Request::Run { job } => return self.start_job(&job, Some(reply), None),
            Request::Reload => {
                self.actions.push(Action::Resolve { reply: Some(reply) });
                return;
            }
            Request::MigrationStatus { ref database }
            | Request::MigrateUp { ref database, .. }
            | Request::MigrateDown { ref database, .. } => {
                match self.migration(database.as_deref()) {
                    Ok(migration) => {
                        self.actions.push(Action::Migrations { migration, request, reply });
                        return;
                    }
                    Err(refusal) => Err(refusal),
                }
            }
            Request::Connect { name } => self.connect(&name),
            Request::Down => {
                self.life = Life::Stopping;
                self.say(Level::Info, "mainstay", EventKind::App, "going down");
                self.actions.push(Action::Stop);
                Ok(Answer::Done { text: "going down".to_owned() })
            }
        };
        self.actions.push(Action::Reply(reply, answer));
    }

    fn restart(&mut self, service: &str) -> Result<Answer, Refusal> {
        let running = self.supervisor.iter().flat_map(|status| &status.instances);
        let ids: Vec<String> = running
            .filter(|instance| instance.service == service || instance.id == service)
            .map(|instance| instance.id.clone())
            .collect();
        if ids.is_empty() {
            return Err(refuse(RefusalKind::Unknown, &format!("nothing is called `{service}`")));
        }
        let text = format!("restarting {}", ids.join(", "));
        self.say(Level::Info, service, EventKind::Instance, text.clone());
        for id in ids {
            if !self.restarts.contains(&id) {
                self.restarts.push_back(id);
            }
        }
        Ok(Answer::Done { text })
    }

    /// One after the other: the next is restarted when the one before is ready again.
    pub(super) fn next_restart(&mut self) {
        let Some(status) = &self.supervisor else { return };
        let now = self.now();
        if let Some((id, pid, since)) = &self.restarting {
            let instance = status.instances.iter().find(|instance| instance.id == *id);
            let is_back = instance.is_none_or(|instance| {
                let settled = match instance.phase {
                    Phase::Ready | Phase::CrashLoop | Phase::Failed | Phase::Exited => true,
                    Phase::Waiting | Phase::Starting | Phase::Unready => false,
                    Phase::BackOff | Phase::Stopping => false,
                };
                settled && instance.pid != *pid
            });
            if !is_back && now < since + RESTART_PATIENCE {
                return;
            }
            self.restarting = None;
        }
        let Some(id) = self.restarts.pop_front() else { return };
        let instance = status.instances.iter().find(|instance| instance.id == id);
        let pid = instance.and_then(|instance| instance.pid);
        self.restarting = Some((id.clone(), pid, now));
        self.actions.push(Action::RestartInstance(id));
    }

    fn migration(&self, database: Option<&str>) -> Result<MigrationPlan, Refusal> {
        let mut all = self.progress.units().filter_map(|(unit, _)| match &unit.work {
            Work::Migrate { migration } => Some(migration),
            _ => None,
        });
        let found = match database {
            Some(name) => all.find(|migration| migration.database == name),
            None => {
                let first = all.next();
                if all.next().is_some() {
                    let mut refusal =
                        refuse(RefusalKind::Unknown, "several databases have migrations");
                    refusal.help = Some("name the database".to_owned());
                    return Err(refusal);
                }
                first
            }
        };
        let Some(migration) = found else {
            let name = database.map(|name| format!("`{name}`")).unwrap_or_default();
            let text = format!("no database {name} has migrations").replace("  ", " ");
            return Err(refuse(RefusalKind::Unknown, &text));
        };
        if !self.progress.is_done(&migration.database) {
            let text = format!("the database `{}` is not ready", migration.database);
            return Err(refuse(RefusalKind::Unavailable, &text));
        }
        Ok(migration.clone())
    }

    fn connect(&self, name: &str) -> Result<Answer, Refusal> {
        let plan = self.plan.as_ref();
        let Some(connection) = plan.and_then(|plan| plan.connections.get(name)) else {
            return Err(refuse(RefusalKind::Unknown, &format!("no database is called `{name}`")));
        };
        let Some(client) = &connection.client else {
            return Err(refuse(
                RefusalKind::Conflict,
                &format!("`{name}` runs elsewhere; connect to it with its own client"),
            ));
        };
        let filled = client.environment.iter().map(|(variable, value)| {
            let value = value.fill(&self.secrets).map_err(|missing| {
                refuse(RefusalKind::Unavailable, &format!("the secret `{missing}` is missing"))
            })?;
            Ok((variable.clone(), value.reveal().to_owned()))
        });
        Ok(Answer::Client {
            program: client.program.to_string_lossy().into_owned(),
            arguments: client.arguments.clone(),
            environment: filled.collect::<Result<_, Refusal>>()?,
        })
    }
}

fn refuse(kind: RefusalKind, title: &str) -> Refusal {
    Refusal { kind, title: title.to_owned(), detail: Vec::new(), help: None }
}
