//! The WebSocket on which a browser watches a run, whichever instance the run is on.
//!
//! A browser cannot set headers on a WebSocket. The access token therefore comes as a
//! subprotocol, `bearer.<token>`, next to the real one, or as `?access_token=`; the first keeps it
//! out of the logs of whatever stands in between.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::ws::{CloseFrame, Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, header};
use axum::response::Response;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::broadcast::error::RecvError;

use super::auth;
use super::reconciliations;
use crate::App;
use crate::cache::Progress;
use crate::database::Freshness;
use crate::problem::{Checked, Problem};

const PROTOCOL: &str = "reconciliation.progress";
/// How often the whole trail and the status are looked at, for what the channel may have lost.
const RECHECK: Duration = Duration::from_secs(2);
/// RFC 6455 and its registry: normal closure, and "service restart".
const CLOSE_NORMAL: u16 = 1000;
const CLOSE_RESTART: u16 = 1012;

#[derive(Deserialize)]
pub struct Token {
    access_token: Option<String>,
}

pub async fn watch(
    State(app): State<Arc<App>>,
    Checked(Path(id)): Checked<Path<i64>>,
    Checked(Query(query)): Checked<Query<Token>>,
    headers: HeaderMap,
    upgrade: WebSocketUpgrade,
) -> Result<Response, Problem> {
    let token = query.access_token.or_else(|| token_of(&headers));
    let token = token.ok_or_else(|| Problem::unauthorized("an access token is needed"))?;
    let caller = auth::authenticate(&app, &token)?;
    reconciliations::find(&app, caller.account, id, Freshness::MayLag).await?;
    Ok(upgrade.protocols([PROTOCOL]).on_upgrade(move |socket| async move {
        Watcher { app, account: caller.account, id, last: -1, socket }.run().await;
    }))
}

fn token_of(headers: &HeaderMap) -> Option<String> {
    headers
        .get_all(header::SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .find_map(|protocol| protocol.trim().strip_prefix("bearer.").map(str::to_owned))
}

struct Watcher {
    app: Arc<App>,
    account: i64,
    id: i64,
    /// The highest number sent.
    last: i64,
    socket: WebSocket,
}

/// Whether there is anybody left to send to.
enum Watching {
    Continues,
    Ends,
}

impl Watcher {
    async fn run(mut self) {
        // Listening begins before the trail is read, so that nothing falls between the two.
        let mut news = self.app.cache.listen();
        let mut stopping = self.app.stopping.clone();
        let mut recheck = tokio::time::interval(RECHECK);
        loop {
            let watching = tokio::select! {
                _ = recheck.tick() => self.catch_up().await,
                progress = news.recv() => match progress {
                    Ok(progress) => self.send(&progress).await,
                    Err(RecvError::Lagged(_)) => self.catch_up().await,
                    Err(RecvError::Closed) => Watching::Ends,
                },
                message = self.socket.recv() => match message {
                    Some(Ok(Message::Close(_)) | Err(_)) | None => Watching::Ends,
                    Some(Ok(_)) => Watching::Continues,
                },
                () = async { drop(stopping.wait_for(|stopping| *stopping).await) } => {
                    self.close(CLOSE_RESTART, "connect again").await
                }
            };
            if matches!(watching, Watching::Ends) {
                return;
            }
        }
    }

    /// Sends what was missed. A trail that was lost is replaced by the status in the database.
    async fn catch_up(&mut self) -> Watching {
        if self.socket.send(Message::Ping(Vec::new().into())).await.is_err() {
            return Watching::Ends;
        }
        for progress in self.app.cache.trail(self.id).await.unwrap_or_default() {
            if matches!(self.send(&progress).await, Watching::Ends) {
                return Watching::Ends;
            }
        }
        let fresh = Freshness::ReadsOwnWrite;
        let summary = reconciliations::find(&self.app, self.account, self.id, fresh).await;
        match summary {
            Ok(summary) if summary.is_finished() => {
                let phase = summary.status;
                self.send(&Progress {
                    reconciliation: self.id,
                    n: i64::MAX,
                    phase,
                    done: 1,
                    total: 1,
                })
                .await
            }
            // The error is in the log; the next round may find the database back.
            Ok(_) | Err(_) => Watching::Continues,
        }
    }

    async fn send(&mut self, progress: &Progress) -> Watching {
        if progress.reconciliation != self.id || progress.n <= self.last {
            return Watching::Continues;
        }
        self.last = progress.n;
        let Progress { phase, done, total, .. } = progress;
        let message = json!({ "phase": phase, "done": done, "total": total }).to_string();
        if self.socket.send(Message::Text(message.into())).await.is_err() {
            return Watching::Ends;
        }
        match progress.is_last() {
            true => self.close(CLOSE_NORMAL, "finished").await,
            false => Watching::Continues,
        }
    }

    async fn close(&mut self, code: u16, reason: &'static str) -> Watching {
        let frame = CloseFrame { code, reason: Utf8Bytes::from_static(reason) };
        // Whoever is gone already needs no goodbye.
        let _ = self.socket.send(Message::Close(Some(frame))).await;
        Watching::Ends
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_is_found_among_the_protocols() {
        let mut headers = HeaderMap::new();
        assert_eq!(token_of(&headers), None);
        let value = "reconciliation.progress, bearer.a.b.c".parse().unwrap();
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, value);
        assert_eq!(token_of(&headers).as_deref(), Some("a.b.c"));
    }
}
