//! The token of a run: made once, kept beside the sockets, so that a control that is started again
//! recognises the browser that was there before.

use std::path::PathBuf;

use control::Location;
use runtime::StateFile;
use serde::{Deserialize, Serialize};

use crate::exit::Exit;
use crate::failure::Failure;

const TOKEN_BYTES: usize = 16;

/// What the console of a run is reached with.
#[derive(Clone, Deserialize, Serialize)]
pub(crate) struct Session {
    run: String,
    token: String,
    /// The loopback port of console and API.
    pub(crate) port: u16,
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Session")
            .field("run", &self.run)
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

impl Session {
    /// What was kept, if it can be read.
    pub(crate) fn load(location: &Location) -> Option<Self> {
        let text = StateFile::private(file(location)).read(4 << 10).ok()??;
        serde_json::from_slice(&text).ok()
    }

    /// The session of this run; a token is only kept within one.
    pub(super) fn begin(
        location: &Location,
        before: Option<Self>,
        run: &str,
        port: u16,
    ) -> Result<Self, Failure> {
        let session = match before {
            Some(before) if before.run == run => Self { port, ..before },
            _ => Self { run: run.to_owned(), token: token()?, port },
        };
        let text = serde_json::to_vec(&session).expect("three plain fields are always valid JSON");
        StateFile::private(file(location))
            .write(&text)
            .map_err(|error| Failure::of(Exit::No, &error))?;
        Ok(session)
    }

    /// Whether it is the token; takes the same time for every wrong one of its length.
    pub(super) fn accepts(&self, offered: &str) -> bool {
        let (ours, theirs) = (self.token.as_bytes(), offered.as_bytes());
        let different = ours.iter().zip(theirs).fold(0, |sum, (a, b)| sum | (a ^ b));
        ours.len() == theirs.len() && std::hint::black_box(different) == 0
    }

    /// What is kept by the browser.
    pub(super) fn cookie(&self) -> String {
        let name = self.cookie_name();
        format!("{name}={}; HttpOnly; SameSite=Strict; Path=/api", self.token)
    }

    /// Cookies do not tell ports apart; their names have to.
    pub(super) fn cookie_name(&self) -> String {
        format!("mainstay-{}", self.port)
    }

    /// What a person opens.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/#token={}", self.port, self.token)
    }
}

fn file(location: &Location) -> PathBuf {
    location.state.join("console.json")
}

fn token() -> Result<String, Failure> {
    let mut bytes = [0; TOKEN_BYTES];
    getrandom::fill(&mut bytes).map_err(|error| {
        Failure::new(Exit::No, "the kernel gives no random bytes").because(&error)
    })?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_whole_token_is_accepted() {
        let session = Session { run: "r".into(), token: "abc".into(), port: 1 };
        assert!(session.accepts("abc"));
        for wrong in ["", "ab", "abd", "abcd", "ABC"] {
            assert!(!session.accepts(wrong), "{wrong}");
        }
        assert!(!format!("{session:?}").contains("abc"));
    }
}
