//! What Redis keeps: refresh tokens, and the progress of runs.
//!
//! A refresh token is `family.secret`. Redis holds one hash per family, that of the newest secret;
//! each use replaces it. Whoever presents an older secret has copied it or was copied from, and
//! nobody can tell which: the whole family ends.
//!
//! Progress is a list per run, for whoever comes late, and a channel, for whoever is there. Each
//! message has a number that only grows, so that a reader of both sees none twice.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::StreamExt;
use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{AsyncCommands, Client, RedisResult};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tokio::sync::broadcast;

use crate::log;

const TIMEOUT: Duration = Duration::from_secs(1);
/// Two weeks without a refresh end a session.
const SESSION_SECONDS: u64 = 14 * 24 * 3600;
/// Messages kept per run, and for how long.
const TRAIL_LENGTH: isize = 256;
const TRAIL_SECONDS: i64 = 3600;
/// Messages that a slow WebSocket may be behind before it reads the list again.
const BROADCAST_LENGTH: usize = 1024;

/// Compares and replaces in one step, or ends the family.
const ROTATE: &str = r"
local held = redis.call('GET', KEYS[1])
if not held then return false end
local account, hash = string.match(held, '^(%d+):(.+)$')
if hash ~= ARGV[1] then
    redis.call('DEL', KEYS[1])
    return false
end
redis.call('SET', KEYS[1], account .. ':' .. ARGV[2], 'EX', ARGV[3])
return account
";

#[derive(Clone)]
pub struct Cache {
    client: Client,
    connection: ConnectionManager,
    progress: broadcast::Sender<Progress>,
}

/// How far a run is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    pub reconciliation: i64,
    /// Grows with every message of a run.
    pub n: i64,
    pub phase: String,
    pub done: usize,
    pub total: usize,
}

impl Progress {
    /// Whether nothing follows.
    pub fn is_last(&self) -> bool {
        self.phase == "done" || self.phase == "failed"
    }
}

impl Cache {
    /// Connects when first used; must be called inside the runtime.
    pub fn new(client: Client) -> RedisResult<Self> {
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(TIMEOUT))
            .set_response_timeout(Some(TIMEOUT))
            .set_number_of_retries(1)
            .set_max_delay(Duration::from_millis(200));
        let connection = ConnectionManager::new_lazy_with_config(client.clone(), config)?;
        let (progress, _) = broadcast::channel(BROADCAST_LENGTH);
        Ok(Self { client, connection, progress })
    }

    pub async fn ping(&self) -> RedisResult<()> {
        redis::cmd("PING").query_async(&mut self.connection.clone()).await
    }

    /// Starts a session and returns its refresh token.
    pub async fn start_session(&self, account: i64) -> RedisResult<String> {
        let (family, secret) = (random(16), random(32));
        let held = format!("{account}:{}", hash(&secret));
        let key = session_key(&family);
        self.connection.clone().set_ex::<_, _, ()>(key, held, SESSION_SECONDS).await?;
        Ok(format!("{family}.{secret}"))
    }

    /// Exchanges a refresh token for its account and the next token; `None` if it is no good.
    pub async fn rotate_session(&self, token: &str) -> RedisResult<Option<(i64, String)>> {
        let Some((family, secret)) = token.split_once('.') else {
            return Ok(None);
        };
        let next = random(32);
        // Not repeated on failure: if only the answer was lost, the second attempt would look like
        // a stolen token.
        let account: Option<i64> = redis::cmd("EVAL")
            .arg(ROTATE)
            .arg(1)
            .arg(session_key(family))
            .arg(hash(secret))
            .arg(hash(&next))
            .arg(SESSION_SECONDS)
            .query_async(&mut self.connection.clone())
            .await?;
        Ok(account.map(|account| (account, format!("{family}.{next}"))))
    }

    /// Ends the session of a refresh token, whether or not it is the newest.
    pub async fn end_session(&self, token: &str) -> RedisResult<()> {
        let family = token.split('.').next().unwrap_or_default();
        self.connection.clone().del(session_key(family)).await
    }

    /// Tells every instance how far a run is.
    pub async fn publish(&self, progress: &Progress) -> RedisResult<()> {
        let key = progress_key(progress.reconciliation);
        let message = serde_json::to_string(progress).expect("progress can be written");
        redis::pipe()
            .atomic()
            .rpush(&key, &message)
            .ltrim(&key, -TRAIL_LENGTH, -1)
            .expire(&key, TRAIL_SECONDS)
            .publish(&key, &message)
            .query_async(&mut self.connection.clone())
            .await
    }

    /// What was published about a run so far.
    pub async fn trail(&self, reconciliation: i64) -> RedisResult<Vec<Progress>> {
        let key = progress_key(reconciliation);
        let messages: Vec<String> = self.connection.clone().lrange(key, 0, -1).await?;
        Ok(messages.iter().filter_map(|message| serde_json::from_str(message).ok()).collect())
    }

    /// What is published from now on, about all runs.
    pub fn listen(&self) -> broadcast::Receiver<Progress> {
        self.progress.subscribe()
    }

    /// Passes on what any instance publishes; one subscription serves all WebSockets. Never ends.
    pub async fn relay_progress(&self) {
        let mut failing = false;
        loop {
            match self.relay_until_disconnected().await {
                Ok(()) => failing = false,
                Err(error) if !failing => {
                    failing = true;
                    log::warn("no news of progress", &[("reason", error.to_string().into())]);
                }
                Err(_) => {}
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    async fn relay_until_disconnected(&self) -> RedisResult<()> {
        let mut subscription = self.client.get_async_pubsub().await?;
        subscription.psubscribe(progress_key("*")).await?;
        let mut messages = subscription.into_on_message();
        while let Some(message) = messages.next().await {
            if let Ok(progress) = serde_json::from_slice(message.get_payload_bytes()) {
                // An error says that no WebSocket listens, which is fine.
                let _ = self.progress.send(progress);
            }
        }
        Ok(())
    }
}

fn session_key(family: &str) -> String {
    format!("session:{family}")
}

fn progress_key(reconciliation: impl std::fmt::Display) -> String {
    format!("progress:{reconciliation}")
}

fn random(bytes: usize) -> String {
    let mut buffer = vec![0; bytes];
    getrandom::fill(&mut buffer).expect("the system gives random numbers");
    URL_SAFE_NO_PAD.encode(buffer)
}

fn hash(secret: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(secret))
}
