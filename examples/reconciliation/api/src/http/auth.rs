//! Logging in, staying logged in, and who is calling.

use std::sync::{Arc, LazyLock};

use argon2::password_hash::phc::PasswordHash;
use argon2::{Argon2, PasswordHasher, PasswordVerifier};
use axum::Json;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::http::{StatusCode, header};
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use tokio::sync::Semaphore;

use crate::App;
use crate::database::Freshness;
use crate::problem::{CheckedJson, Problem};
use crate::tokens;

/// Does not tell which, or strangers could find out who has an account.
const WRONG: &str = "email or password is wrong";
/// Hashes computed at once: each takes 19 MB and a core.
static HASHING: Semaphore = Semaphore::const_new(2);
/// What is compared when nobody has that address, so that both answers take as long.
static NOBODY: LazyLock<String> =
    LazyLock::new(|| hash_password("nobody").expect("the default parameters are valid"));

/// The account that calls.
pub struct Caller {
    pub account: i64,
}

#[derive(Deserialize)]
pub struct Login {
    email: String,
    password: String,
}

#[derive(Deserialize)]
pub struct Refresh {
    refresh_token: String,
}

#[derive(Serialize)]
pub struct Session {
    access_token: String,
    refresh_token: String,
    /// Seconds.
    expires_in: i64,
}

pub async fn login(
    State(app): State<Arc<App>>,
    CheckedJson(login): CheckedJson<Login>,
) -> Result<Json<Session>, Problem> {
    // PostgreSQL takes no zero bytes, and no account has one.
    if login.email.contains('\0') {
        return Err(Problem::unauthorized(WRONG));
    }
    let sql = "select id, password_hash from accounts where email = lower($1)";
    // The primary: who has just been given an account logs in next.
    let rows =
        app.database.read(Freshness::ReadsOwnWrite, sql, &[&login.email], &app.metrics).await?;
    let account: Option<i64> = rows.first().map(|row| row.get(0));
    let hash = rows.first().map_or_else(|| NOBODY.clone(), |row| row.get(1));

    let permit = HASHING.acquire().await.expect("the semaphore is never closed");
    let verified = tokio::task::spawn_blocking(move || verify_password(&login.password, &hash));
    let verified = verified.await.unwrap_or(false);
    drop(permit);
    let Some(account) = account.filter(|_| verified) else {
        return Err(Problem::unauthorized(WRONG));
    };
    let refresh_token = app.cache.start_session(account).await?;
    Ok(Json(session(&app, account, refresh_token)))
}

pub async fn refresh(
    State(app): State<Arc<App>>,
    CheckedJson(refresh): CheckedJson<Refresh>,
) -> Result<Json<Session>, Problem> {
    match app.cache.rotate_session(&refresh.refresh_token).await? {
        Some((account, next)) => Ok(Json(session(&app, account, next))),
        None => Err(Problem::unauthorized("the session has ended, log in again")),
    }
}

pub async fn logout(
    State(app): State<Arc<App>>,
    CheckedJson(refresh): CheckedJson<Refresh>,
) -> Result<StatusCode, Problem> {
    app.cache.end_session(&refresh.refresh_token).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The account of an access token.
pub fn authenticate(app: &App, token: &str) -> Result<Caller, Problem> {
    let now = OffsetDateTime::now_utc().unix_timestamp();
    match tokens::verify(token, now, &app.jwt_secret) {
        Some(claims) => Ok(Caller { account: claims.sub }),
        None => Err(Problem::unauthorized("the access token is wrong or has ended")),
    }
}

/// Hashes a password for the table `accounts`.
pub fn hash_password(password: &str) -> Result<String, argon2::password_hash::Error> {
    Ok(Argon2::default().hash_password(password.as_bytes())?.to_string())
}

fn verify_password(password: &str, hash: &str) -> bool {
    PasswordHash::new(hash)
        .is_ok_and(|hash| Argon2::default().verify_password(password.as_bytes(), &hash).is_ok())
}

fn session(app: &App, account: i64, refresh_token: String) -> Session {
    let now = OffsetDateTime::now_utc().unix_timestamp();
    let access_token = tokens::sign(account, now, &app.jwt_secret);
    Session { access_token, refresh_token, expires_in: tokens::LIFETIME }
}

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let token = parts
            .headers
            .get(header::AUTHORIZATION)
            .and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "))
            .ok_or_else(|| Problem::unauthorized("an access token is needed"))?;
        authenticate(app, token)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_verifies_against_its_own_hash_only() {
        let hash = hash_password("reconcile").unwrap();
        assert!(verify_password("reconcile", &hash));
        assert!(!verify_password("Reconcile", &hash));
        assert!(!verify_password("reconcile", "not a hash"));
    }

    #[test]
    fn the_seed_lets_the_demo_user_in() {
        let seed = include_str!("../../seed.sql");
        let hash = seed.split('\'').find(|part| part.starts_with("$argon2id$")).unwrap();
        assert!(verify_password("reconcile", hash));
    }
}
