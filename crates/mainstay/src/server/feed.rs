//! Status and events as one server-sent stream, without a gap and without a flood.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::http::HeaderMap;
use axum::response::Sse;
use axum::response::sse::{self, KeepAlive};
use control::{AppStatus, Event};
use futures_util::stream::{self, Stream};
use schemars::JsonSchema;
use serde::Deserialize;
use tokio::sync::{broadcast, watch};
use tokio::time::Instant;

use super::{KEEP_ALIVE, Server};

/// No eye follows more.
const SHORTEST_PAUSE: Duration = Duration::from_millis(200);

/// What a reader that comes back may have missed and is still told.
const MOST_MISSED: u32 = 1_000;

/// Where a reader continues.
#[derive(Debug, Default, Deserialize, JsonSchema)]
pub(super) struct FeedQuery {
    /// The id of the last event that is known; as the header `Last-Event-ID`.
    after: Option<i64>,
}

struct Feed {
    server: Server,
    status: watch::Receiver<Arc<AppStatus>>,
    events: broadcast::Receiver<Event>,
    waiting: VecDeque<sse::Event>,
    last: Option<i64>,
    next_status: Instant,
}

/// `GET /api/stream`
pub(super) async fn stream(
    State(server): State<Server>,
    Query(query): Query<FeedQuery>,
    headers: HeaderMap,
) -> Sse<impl Stream<Item = Result<sse::Event, Infallible>>> {
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok());
    let mut feed = Feed {
        status: server.handle.status(),
        // Subscribed before the past is read, so that nothing falls between the two.
        events: server.handle.subscribe(),
        server,
        waiting: VecDeque::new(),
        last: last.or(query.after),
        next_status: Instant::now(),
    };
    feed.status.mark_changed();
    feed.catch_up().await;
    let stream = stream::unfold(feed, |mut feed| async {
        let event = feed.next().await?;
        Some((Ok(event), feed))
    });
    Sse::new(stream).keep_alive(KeepAlive::new().interval(KEEP_ALIVE))
}

impl Feed {
    async fn next(&mut self) -> Option<sse::Event> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Some(event);
            }
            let pause = self.next_status;
            let status = async {
                tokio::time::sleep_until(pause).await;
                self.status.changed().await
            };
            tokio::select! {
                biased;
                event = self.events.recv() => match event {
                    Ok(event) => self.push(&event),
                    Err(broadcast::error::RecvError::Lagged(_)) => self.catch_up().await,
                    Err(broadcast::error::RecvError::Closed) => return None,
                },
                changed = status => {
                    changed.ok()?;
                    self.next_status = Instant::now() + SHORTEST_PAUSE;
                    let status = Arc::clone(&self.status.borrow_and_update());
                    return sse::Event::default().event("status").json_data(&*status).ok();
                }
            }
        }
    }

    /// Reads what was missed; a reader that knows nothing has asked for it elsewhere.
    async fn catch_up(&mut self) {
        let Some(last) = self.last else { return };
        // A store that cannot be read is reported by control itself.
        let missed = self.server.handle.events(last, MOST_MISSED).await.unwrap_or_default();
        for event in missed {
            self.push(&event);
        }
    }

    fn push(&mut self, event: &Event) {
        if self.last.is_some_and(|last| event.id <= last) {
            return;
        }
        self.last = Some(event.id);
        let message = sse::Event::default().event("event").id(event.id.to_string());
        self.waiting.extend(message.json_data(event).ok());
    }
}
