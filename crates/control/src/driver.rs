//! The loop itself: feeds the reconciler everything that happens and carries out what it decides.
//!
//! One task owns the reconciler. Others wait for one thing each (the supervisor's facts, the
//! gateway's counters, changed files, work under way) and send what they see; none of them holds
//! state that matters, so that each may be started again.

mod gateway_link;
mod supervisor_link;
mod work;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use base::{Clock as _, Secret};
use runtime::{Shutdown, StateFile, SystemClock, TaskGroup};
use tokio::sync::{broadcast, mpsc, oneshot, watch};

use crate::input::{Action, Input, ReplyId};
use crate::progress::Failure;
use crate::reconciler::{Reconciler, World};
use crate::resolution::{self, Subject};
use crate::samples::{Hour, Samples};
use crate::store::{Store, StoreError};
use crate::view::{self, Ages};
use crate::watch::{Watch, Watched};
use crate::{Answer, AppStatus, Event, Handle, Refusal, Request, Sample};
use gateway_link::GatewayLink;
use supervisor_link::SupervisorLink;

/// Inputs that wait to be taken; senders wait when there are more.
const WAITING: usize = 256;

/// Events that a slow listener may be behind before it is told that it missed some.
const BEHIND: usize = 1_024;

/// Why control could not go on.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A task of the loop ended that must not.
    #[error("the task `{0}` ended")]
    Task(String),
}

type Waiting = (Request, oneshot::Sender<Result<Answer, Refusal>>);

/// The loop, ready to run.
#[derive(Debug)]
pub struct Control {
    subject: Subject,
    store: Store,
    samples: Arc<Hour>,
    status: watch::Sender<Arc<AppStatus>>,
    events: broadcast::Sender<Event>,
    requests: mpsc::Receiver<Waiting>,
}

/// Opens the store and prepares the loop; the handle works from now on.
///
/// # Errors
///
/// When the store cannot be opened.
pub fn prepare(subject: Subject) -> Result<(Handle, Control), ControlError> {
    let store = Store::open(&subject.location.database())?;
    let samples = Arc::new(Hour::default());
    let clock = SystemClock::new();
    let world = RealWorld { clock };
    let nothing = Reconciler::new(store.clone(), Box::new(world))?;
    let first = view::view(&nothing, &mut Ages::default());
    let (status, watched) = watch::channel(Arc::new(first));
    let events = broadcast::Sender::new(BEHIND);
    let (sender, requests) = mpsc::channel(WAITING);
    let handle = Handle {
        status: watched,
        events: events.clone(),
        requests: sender,
        samples: Arc::clone(&samples) as Arc<dyn Samples>,
        store: store.clone(),
        logs: subject.location.state.join("logs"),
    };
    Ok((handle, Control { subject, store, samples, status, events, requests }))
}

#[derive(Debug)]
struct RealWorld {
    clock: SystemClock,
}

impl World for RealWorld {
    fn now(&self) -> i64 {
        let now = self.clock.wall().duration_since(UNIX_EPOCH).unwrap_or_default();
        i64::try_from(now.as_millis()).unwrap_or(i64::MAX)
    }

    fn exists(&self, path: &Path) -> bool {
        path.exists()
    }
}

/// A resolution that is asked for.
#[derive(Debug, Default)]
struct Again {
    /// Whether what failed, and what looks at the user's files, is done again.
    redo: bool,
    /// Who waits for it.
    replies: Vec<oneshot::Sender<Result<Answer, Refusal>>>,
}

/// What the loop holds besides the reconciler.
struct Driver {
    subject: Subject,
    store: Store,
    inputs: mpsc::Sender<Input>,
    supervisor: SupervisorLink,
    gateway: GatewayLink,
    tasks: TaskGroup<()>,
    replies: HashMap<ReplyId, oneshot::Sender<Result<Answer, Refusal>>>,
    last_reply: ReplyId,
    secrets: BTreeMap<String, Secret>,
    running: BTreeSet<String>,
    resolving: bool,
    /// What was asked for while a resolution was under way.
    again: Option<Again>,
    watch_manifest: bool,
}

impl Control {
    /// Runs until shutdown is requested.
    ///
    /// # Errors
    ///
    /// When a decision cannot be recorded.
    pub async fn run(mut self, shutdown: Shutdown) -> Result<(), ControlError> {
        let (inputs, mut arriving) = mpsc::channel(WAITING);
        let world = RealWorld { clock: SystemClock::new() };
        let mut reconciler = Reconciler::new(self.store.clone(), Box::new(world))?;
        let mut ages = Ages::default();
        let mut links = TaskGroup::new();
        let location = &self.subject.location;
        let supervisor =
            SupervisorLink::start(&mut links, location.supervisor_socket(), inputs.clone());
        let gateway = GatewayLink::start(&mut links, location.gateway_socket(), inputs.clone());
        let mut driver = Driver {
            subject: self.subject.clone(),
            store: self.store.clone(),
            inputs,
            supervisor,
            gateway,
            tasks: TaskGroup::new(),
            replies: HashMap::new(),
            last_reply: 0,
            secrets: BTreeMap::new(),
            running: BTreeSet::new(),
            resolving: false,
            again: None,
            watch_manifest: false,
        };
        let mut watch = match Watch::new() {
            Ok(watch) => Some(watch),
            Err(error) => {
                driver.trouble(format!("files cannot be watched: {error}"));
                None
            }
        };
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let input = tokio::select! {
                () = shutdown.wait() => break,
                Some(input) = arriving.recv() => input,
                Some((request, reply)) = self.requests.recv() => driver.asked(request, reply),
                _ = tick.tick() => Input::Tick,
                () = changed(watch.as_mut()) => {
                    driver.resolve(Again::default());
                    continue;
                }
                Some(exit) = links.next() => return Err(ControlError::Task(exit.name)),
                Some(exit) = driver.tasks.next() => match exit.result {
                    Ok(()) => continue,
                    Err(error) => {
                        let failure = Failure { reason: error.to_string(), detail: Vec::new() };
                        Input::Worked { unit: exit.name, result: Err(failure) }
                    }
                },
            };
            driver.note(&input);
            let is_tick = matches!(input, Input::Tick);
            for action in reconciler.handle(input)? {
                self.carry_out(&mut driver, action, watch.as_mut()).await;
            }
            let status = Arc::new(view::view(&reconciler, &mut ages));
            if is_tick {
                self.sample(&status);
            }
            self.status.send_replace(status);
        }
        links.stop().await;
        driver.tasks.stop().await;
        Ok(())
    }

    async fn carry_out(&mut self, driver: &mut Driver, action: Action, watch: Option<&mut Watch>) {
        match action {
            Action::Emit(event) => {
                // Nobody needs to be listening.
                self.events.send(event).ok();
            }
            Action::Watch(watched) => driver.watch(&watched, watch),
            Action::Resolve { reply } => {
                let replies = reply.and_then(|reply| driver.replies.remove(&reply));
                driver.resolve(Again { redo: true, replies: replies.into_iter().collect() });
            }
            Action::Reply(reply, answer) => {
                if let Some(reply) = driver.replies.remove(&reply) {
                    // Whoever asked may have stopped waiting.
                    reply.send(answer).ok();
                }
            }
            Action::Flags(flags) => {
                let file = StateFile::public(&flags.path);
                if file.read(1 << 20).ok().flatten().as_deref() != Some(flags.content.as_bytes())
                    && let Err(error) = file.write(flags.content.as_bytes())
                {
                    driver.trouble(format!("the flags cannot be handed over: {error}"));
                }
            }
            Action::Work(unit) => {
                let (inputs, secrets) = (driver.inputs.clone(), driver.secrets.clone());
                let name = unit.id.clone();
                driver.tasks.spawn(name, async move {
                    let input = work::work(unit, &secrets).await;
                    inputs.send(input).await.ok();
                });
            }
            Action::Migrations { migration, request, reply } => {
                let secrets = driver.secrets.clone();
                let Some(reply) = driver.replies.remove(&reply) else { return };
                let inputs = driver.inputs.clone();
                driver.tasks.spawn("migrations", async move {
                    let answer = work::migrations(&migration, &request, &secrets).await;
                    let applied = matches!(request, Request::MigrateUp { dry_run: false, .. });
                    if applied && answer.is_ok() {
                        let unit = format!("{}/migrate", migration.database);
                        inputs.send(Input::Worked { unit, result: Ok(Vec::new()) }).await.ok();
                    }
                    reply.send(answer).ok();
                });
            }
            Action::Gateway(plan) => driver.gateway.apply(plan),
            action @ (Action::Apply { .. }
            | Action::Secrets(_)
            | Action::Job(_)
            | Action::RestartInstance(_)
            | Action::Stop) => driver.supervisor.send(action).await,
        }
    }

    /// Keeps what was measured for the charts.
    fn sample(&self, status: &AppStatus) {
        let record = |metric, subject: &str, value: f64| {
            self.samples.record(metric, subject, Sample { at: status.at, value });
        };
        for route in &status.routes {
            record("requests_per_second", &route.name, route.per_second);
            record("errors_per_second", &route.name, route.errors_per_second);
            if let Some(p95) = route.p95_ms {
                record("p95_ms", &route.name, p95);
            }
        }
        for instance in status.nodes.iter().flat_map(|node| &node.instances) {
            record("cpu_millis", &instance.id, f64::from(instance.cpu_millis));
            #[expect(clippy::cast_precision_loss, reason = "memory is far below 2^53 bytes")]
            record("memory_bytes", &instance.id, instance.memory as f64);
        }
    }
}

async fn changed(watch: Option<&mut Watch>) {
    match watch {
        Some(watch) => watch.changed().await,
        None => std::future::pending().await,
    }
}

impl Driver {
    fn asked(
        &mut self,
        request: Request,
        reply: oneshot::Sender<Result<Answer, Refusal>>,
    ) -> Input {
        self.last_reply += 1;
        self.replies.insert(self.last_reply, reply);
        Input::Request(request, self.last_reply)
    }

    /// Looks at what passes by for what the driver itself must know.
    fn note(&mut self, input: &Input) {
        match input {
            Input::Connected(status) | Input::Status(status) => {
                let ids = status.instances.iter().map(|instance| instance.id.clone());
                self.running = ids.collect();
                let listeners = status.listeners.iter().map(|listener| listener.name.clone());
                self.running.extend(listeners);
                if matches!(input, Input::Connected(_)) {
                    self.resolve(Again::default());
                }
            }
            Input::Planned(planned) => {
                self.secrets.clone_from(&planned.secrets);
                self.watch_manifest = planned.plan.manifest.watch.value;
                self.resolved();
            }
            Input::Unresolved(_) => self.resolved(),
            _ => {}
        }
    }

    fn resolved(&mut self) {
        self.resolving = false;
        if let Some(again) = self.again.take() {
            self.resolve(again);
        }
    }

    /// Resolves the manifest in the background, one resolution at a time: what is asked meanwhile
    /// is answered by the next.
    fn resolve(&mut self, asked: Again) {
        if self.resolving {
            let again = self.again.get_or_insert_default();
            again.redo |= asked.redo;
            again.replies.extend(asked.replies);
            return;
        }
        self.resolving = true;
        let Again { redo, replies } = asked;
        let (subject, store) = (self.subject.clone(), self.store.clone());
        let (running, inputs) = (self.running.clone(), self.inputs.clone());
        self.tasks.spawn("resolve", async move {
            let result = tokio::task::spawn_blocking(move || {
                resolution::resolve(&subject, &store, &running).map_err(Failure::from)
            });
            let result = result.await.unwrap_or_else(|error| {
                let reason = format!("the manifest could not be resolved: {error}");
                Err(Failure { reason, detail: Vec::new() })
            });
            let (answer, input) = match result {
                Ok(mut planned) => {
                    planned.redo = redo;
                    let text = "the manifest was read again".to_owned();
                    (Ok(Answer::Done { text }), Input::Planned(Box::new(planned)))
                }
                Err(failure) => {
                    let refusal = Refusal {
                        kind: crate::RefusalKind::Failed,
                        title: failure.reason.clone(),
                        detail: failure.detail.clone(),
                        help: None,
                    };
                    (Err(refusal), Input::Unresolved(failure))
                }
            };
            for reply in replies {
                reply.send(answer.clone()).ok();
            }
            inputs.send(input).await.ok();
        });
    }

    fn watch(&mut self, watched: &BTreeMap<String, Vec<PathBuf>>, watch: Option<&mut Watch>) {
        let mut all = Watched::default();
        for path in watched.values().flatten() {
            for root in crate::sources::roots(path, &[]) {
                if root.is_dir() {
                    all.directories.insert(root);
                } else {
                    all.files.insert(root);
                }
            }
        }
        if self.watch_manifest {
            all.files.extend(std::fs::canonicalize(&self.subject.manifest).ok());
        }
        let Some(watch) = watch else { return };
        for problem in watch.set(all) {
            self.trouble(problem);
        }
    }

    /// Has something told that went wrong outside of the reconciler.
    fn trouble(&mut self, text: String) {
        let (inputs, input) = (self.inputs.clone(), Input::Trouble(text));
        self.tasks.spawn("input", async move {
            inputs.send(input).await.ok();
        });
    }
}
