//! What control, the logs and a stop have to say, as one queue.

use std::time::Duration;

use control::{AppStatus, Event};
use runtime::TaskGroup;
use serde::Deserialize;
use supervisor::logs::{self, Filter};
use supervisor::{EventKind, PlatformEvent, StopProgress, Supervisor};
use tokio::sync::mpsc;

use super::start;
use crate::client::Client;
use crate::place::Place;
use crate::server::{ConsoleAddress, LogView};

/// Between two attempts to reach control.
const PAUSE: Duration = Duration::from_millis(200);

/// Between two attempts to reach a supervisor, which starts within a moment.
const SHORT_PAUSE: Duration = Duration::from_millis(20);

/// How long a supervisor that just starts may take to listen before it is told otherwise.
const LISTENS: Duration = Duration::from_secs(1);

/// Log lines from before the pane was opened.
const PAST_LINES: usize = 200;

/// Something to be shown.
#[derive(Debug)]
pub(super) enum Update {
    /// How everything is.
    Status(Box<AppStatus>),
    /// What happened.
    Event(Event),
    /// What was written.
    Log(LogView),
    /// Where the console is.
    Console(String),
    /// How far a stop has come.
    Stop(StopProgress),
    /// Control ends at every start; what it wrote last.
    NoControl(Vec<String>),
    /// Nobody listens who could be asked to stop.
    Unheard,
}

#[derive(Deserialize)]
struct Past {
    events: Vec<Event>,
}

/// Follows control; comes back when control does.
pub(super) fn follow(
    tasks: &mut TaskGroup<()>,
    place: &Place,
    run: &str,
    sender: mpsc::Sender<Update>,
) {
    let (place, run) = (place.clone(), run.to_owned());
    let client = Client::new(&place.location);
    // Whatever happened before belongs to earlier runs.
    let begun = jiff::Timestamp::now().as_millisecond();
    tasks.spawn("follow control", async move {
        // What answers before belongs to a run that was here first.
        while !start::has_lock(&place, &run) {
            tokio::time::sleep(SHORT_PAUSE).await;
        }
        let mut last = None;
        while !sender.is_closed() {
            // That control cannot be reached just now is what this loop is for.
            once(&client, &mut last, begun, &sender).await.unwrap_or_default();
            tokio::time::sleep(PAUSE).await;
        }
    });
}

async fn once(
    client: &Client,
    last: &mut Option<i64>,
    begun: i64,
    sender: &mpsc::Sender<Update>,
) -> Option<()> {
    let console: ConsoleAddress = client.get("/api/console").await.ok()?;
    sender.send(Update::Console(console.url)).await.ok()?;
    let past: Past = client.get("/api/events?limit=500").await.ok()?;
    let known = last.unwrap_or(0);
    for event in past.events.into_iter().filter(|event| known < event.id) {
        *last = Some(event.id);
        if begun <= event.at {
            sender.send(Update::Event(event)).await.ok()?;
        }
    }
    let after = last.unwrap_or(0);
    let mut stream = client.stream(&format!("/api/stream?after={after}")).await.ok()?;
    while let Some(message) = stream.next().await {
        let update = match message.event.as_str() {
            "status" => serde_json::from_str(&message.data).ok().map(Update::Status),
            "event" => {
                let event = serde_json::from_str::<Event>(&message.data).ok();
                *last = event.as_ref().map(|event| event.id).or(*last);
                event.map(Update::Event)
            }
            _ => None,
        };
        if let Some(update) = update {
            sender.send(update).await.ok()?;
        }
    }
    Some(())
}

/// So many ends of control in a row are no accident.
const MOST_ENDS: u32 = 3;

/// Tells when control cannot be started at all, which it cannot tell itself.
pub(super) fn watch_control(
    tasks: &mut TaskGroup<()>,
    place: &Place,
    run: &str,
    sender: mpsc::Sender<Update>,
) {
    let (place, run) = (place.clone(), run.to_owned());
    tasks.spawn("watch control", async move {
        while !start::has_lock(&place, &run) {
            tokio::time::sleep(SHORT_PAUSE).await;
        }
        let socket = place.location.supervisor_socket();
        let supervisor = loop {
            match Supervisor::connect(&socket).await {
                Ok(supervisor) => break supervisor,
                Err(_starting) => tokio::time::sleep(SHORT_PAUSE).await,
            }
        };
        let Ok(mut events) = supervisor.events(Some(0)).await else { return };
        let mut ends = 0;
        while let Ok(Some(update)) = events.next().await {
            let supervisor::Update::Event(event) = update else { continue };
            let EventKind::Platform { name, event } = event.kind else { continue };
            if let (PlatformEvent::Exited { last_lines, .. }, "control") = (event, name.as_str()) {
                ends += 1;
                if MOST_ENDS <= ends {
                    sender.send(Update::NoControl(last_lines)).await.ok();
                    return;
                }
            }
        }
    });
}

/// Follows what instances write, and what they wrote last.
pub(super) fn follow_logs(tasks: &mut TaskGroup<()>, place: &Place, sender: mpsc::Sender<Update>) {
    let directory = place.location.state.join("logs");
    tasks.spawn("follow logs", async move {
        let Ok(mut follower) = logs::follow(&directory, Filter::default()) else { return };
        let past = Filter { limit: Some(PAST_LINES), ..Filter::default() };
        let mut lines: Vec<LogView> = match logs::read(&directory, &past) {
            Ok(lines) => lines.map(LogView::from).collect(),
            Err(_unreadable) => Vec::new(),
        };
        loop {
            for line in lines.drain(..) {
                if sender.send(Update::Log(line)).await.is_err() {
                    return;
                }
            }
            // A log that cannot be read any more is no reason to end the run.
            let Ok(line) = follower.next().await else { return };
            lines.push(line.into());
        }
    });
}

/// Asks for a stop, as soon as somebody listens, and passes on how far it has come.
pub(super) fn stop(
    tasks: &mut TaskGroup<()>,
    place: &Place,
    run: &str,
    sender: mpsc::Sender<Update>,
) {
    let (place, run) = (place.clone(), run.to_owned());
    tasks.spawn("stop", async move {
        let mut connecting = std::pin::pin!(connect(&place, &run));
        let supervisor = match tokio::time::timeout(LISTENS, &mut connecting).await {
            Ok(supervisor) => supervisor,
            Err(_elapsed) => {
                // Whoever would be told is not there any more only at the end of everything.
                drop(sender.send(Update::Unheard).await);
                connecting.await
            }
        };
        // A full queue loses a line of progress and nothing else; the end of the supervisor shows
        // by the end of its process.
        let progress = |step| drop(sender.try_send(Update::Stop(step)));
        drop(supervisor.stop(progress).await);
    });
}

/// Asks for an end of waiting.
pub(super) fn hurry(tasks: &mut TaskGroup<()>, place: &Place, run: &str) {
    let (place, run) = (place.clone(), run.to_owned());
    tasks.spawn("hurry", async move {
        // It may have ended just now, which is what was wanted.
        drop(connect(&place, &run).await.hurry().await);
    });
}

/// Waits for the supervisor of this run, and never takes another's for it.
async fn connect(place: &Place, run: &str) -> Supervisor {
    let socket = place.location.supervisor_socket();
    loop {
        if start::has_lock(place, run)
            && let Ok(supervisor) = Supervisor::connect(&socket).await
        {
            return supervisor;
        }
        tokio::time::sleep(SHORT_PAUSE).await;
    }
}
