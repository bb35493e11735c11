//! Probes: how one knows that an instance has started, can take requests, and still works.
//!
//! A probe is one line: what to ask, then how often, how long to wait, and when to give up, in any
//! order: `/health every 5s timeout 1s after 3 failures`, `tcp`, `command: pg_isready -q every 5s`.

use std::time::Duration;

use base::{Spanned, parse_duration};

use crate::command_line::CommandLine;
use crate::cursor::{Cursor, Refusal};
use crate::field::{Field, Syntax};
use crate::forms::url_path;
use crate::names;

/// The three probes of a service.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Probes {
    /// Until it passes, the others are not asked; it has a deadline.
    pub startup: Option<Spanned<Probe>>,
    /// Whether the instance gets requests.
    pub readiness: Option<Spanned<Probe>>,
    /// Whether the instance is left running.
    pub liveness: Option<Spanned<Probe>>,
}

/// What is asked, and when the answer counts.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Probe {
    /// What is asked.
    pub check: ProbeCheck,
    /// The time between two questions once the instance runs.
    pub every: Duration,
    /// How long one answer may take.
    pub timeout: Duration,
    /// How long the first good answer may take; only for `startup`.
    pub within: Option<Duration>,
    /// How many bad answers in a row count as failed.
    pub failures: u32,
}

/// What a probe asks.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum ProbeCheck {
    /// A GET of this path, good when it answers 200 to 399.
    Http {
        /// The path.
        path: String,
    },
    /// A connection to the service's port.
    Tcp,
    /// A command that ends with 0.
    Command(CommandLine),
}

/// How often a probe asks when it does not say.
pub const DEFAULT_EVERY: Duration = Duration::from_secs(5);
/// How long an answer may take when a probe does not say.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(2);
/// How many bad answers count when a probe does not say.
pub const DEFAULT_FAILURES: u32 = 3;
/// How long starting may take when the probe does not say.
pub const DEFAULT_WITHIN: Duration = Duration::from_secs(60);

const FORM: Syntax = Syntax::Form(
    "`/path`, `tcp` or `command: PROGRAM ARGUMENTS`, then any of `every DURATION`, \
     `timeout DURATION`, `within DURATION`, `after N failures`",
);

/// The keys of `probe`.
pub static FIELDS: &[Field] = &[
    Field::new(
        "startup",
        FORM,
        "Must pass once, within its deadline, before the others are asked.",
    )
    .example("\"/health within 30s\""),
    Field::new("readiness", FORM, "While it fails, the instance gets no requests.")
        .example("\"/ready every 2s\""),
    Field::new("liveness", FORM, "When it fails, the instance is restarted.")
        .example("\"/health every 10s\""),
];

impl Probes {
    pub(crate) fn read(mut cursor: Cursor<'_>) -> Self {
        let mut probes = Self {
            startup: cursor.read("startup", Probe::parse),
            readiness: cursor.read("readiness", Probe::parse),
            liveness: cursor.read("liveness", Probe::parse),
        };
        for (key, probe) in [("readiness", &probes.readiness), ("liveness", &probes.liveness)] {
            let Some(probe) = probe.as_ref().filter(|probe| probe.within.is_some()) else {
                continue;
            };
            let message = format!("`within` has no meaning in `{key}`");
            let help = "move it to `startup`, the only probe with a deadline";
            cursor.report(
                base::Diagnostic::error("bad-value", message).at(probe.span, "").help(help),
            );
        }
        if let Some(startup) = &mut probes.startup {
            startup.value.within.get_or_insert(DEFAULT_WITHIN);
        }
        probes
    }
}

impl Probe {
    /// Reads a probe.
    ///
    /// # Errors
    ///
    /// When the line does not begin with something to ask or goes on with unknown words.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let mut words: Vec<&str> = text.split_whitespace().collect();
        let mut probe = Self {
            check: ProbeCheck::Tcp,
            every: DEFAULT_EVERY,
            timeout: DEFAULT_TIMEOUT,
            within: None,
            failures: DEFAULT_FAILURES,
        };
        // From the end, so that a command's own words are left over.
        while probe.take_option(&mut words)? {}
        probe.check = check(text, &words)?;
        if probe.every.is_zero() || probe.timeout.is_zero() {
            return Err(Refusal::new("a probe's times must be above zero", "write `every 5s`"));
        }
        Ok(probe)
    }

    fn take_option(&mut self, words: &mut Vec<&str>) -> Result<bool, Refusal> {
        if let [.., "after", count, "failures" | "failure"] = words.as_slice() {
            self.failures = match count.parse() {
                Ok(count) if (1..=1_000).contains(&count) => count,
                _ => {
                    let message = format!("`after {count} failures` is no count from 1 to 1000");
                    return Err(Refusal::new(message, "write `after 3 failures`"));
                }
            };
            words.truncate(words.len() - 3);
            return Ok(true);
        }
        let [.., option @ ("every" | "timeout" | "within"), time] = words.as_slice() else {
            return Ok(false);
        };
        let time = parse_duration(time)?;
        match *option {
            "every" => self.every = time,
            "timeout" => self.timeout = time,
            _ => self.within = Some(time),
        }
        words.truncate(words.len() - 2);
        Ok(true)
    }
}

fn check(text: &str, words: &[&str]) -> Result<ProbeCheck, Refusal> {
    match words {
        ["command:", ..] => Ok(ProbeCheck::Command(CommandLine::parse(
            &words.get(1..).unwrap_or_default().join(" "),
        )?)),
        ["tcp"] => Ok(ProbeCheck::Tcp),
        [path] if path.starts_with('/') => Ok(ProbeCheck::Http { path: url_path(path)? }),
        [first, stray, ..] if first.starts_with('/') || *first == "tcp" => {
            let known = ["every", "timeout", "within", "after"];
            let help = match names::nearest(stray, known) {
                Some(near) if near != *stray => format!("did you mean `{near}`?"),
                _ => "go on with `every 5s`, `timeout 1s`, `within 30s` or `after 3 failures`"
                    .to_owned(),
            };
            Err(Refusal::new(format!("a probe does not understand `{stray}`"), help))
        }
        _ => {
            let message = format!("`{text}` is not a probe");
            let help = "begin with a path (`/health`), `tcp`, or `command: ` and a program";
            Err(Refusal::new(message, help))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_but_the_question_may_be_left_out() {
        let check = |text: &str, check: ProbeCheck, every: u64, within: Option<u64>| {
            let probe = Probe::parse(text).unwrap();
            assert_eq!((probe.check, probe.every.as_secs()), (check, every), "{text}");
            assert_eq!(probe.within.map(|within| within.as_secs()), within, "{text}");
        };
        let http = |path: &str| ProbeCheck::Http { path: path.into() };
        check("/health", http("/health"), 5, None);
        check("/health within 30s", http("/health"), 5, Some(30));
        check("/r every 2s timeout 1s after 5 failures within 1m", http("/r"), 2, Some(60));
        check("tcp every 1s", ProbeCheck::Tcp, 1, None);
        let command = CommandLine::parse("pg_isready -q").unwrap();
        check("command: pg_isready -q every 5s", ProbeCheck::Command(command), 5, None);
    }

    #[test]
    fn anything_else_is_refused() {
        for text in [
            "",
            "health",
            "/health evry 2s",
            "/health every",
            "/health every 2",
            "tcp 5432",
            "command:",
            "/h after 0 failures",
            "/h every 0s",
            "every 5s",
        ] {
            assert!(Probe::parse(text).is_err(), "{text}");
        }
    }
}
