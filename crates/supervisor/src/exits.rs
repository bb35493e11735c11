//! What an exit means: how to say it, and how long to wait before the next start.

use std::collections::VecDeque;
use std::time::Duration;

use base::Bytes;

use crate::process::{Ended, Live};

/// The first wait.
const SHORTEST: Duration = Duration::from_millis(100);

/// The longest wait, and the one of a crash loop.
const LONGEST: Duration = Duration::from_secs(30);

/// Ready for this long, an instance counts as stable: what happened before is forgotten.
const STABLE: Duration = Duration::from_secs(10);

/// So many exits ...
const LOOP_EXITS: usize = 5;

/// ... within this time are a crash loop.
const LOOP_WITHIN: Duration = Duration::from_secs(60);

/// The exits of late and the next wait.
#[derive(Debug, Default)]
pub(crate) struct BackOff {
    exits: VecDeque<Duration>,
    tries: u32,
    looping: bool,
    named: bool,
}

impl BackOff {
    /// Remembers an exit nobody asked for.
    pub(crate) fn exited(&mut self, now: Duration, ready_for: Option<Duration>) {
        if ready_for.is_some_and(|ready_for| STABLE <= ready_for) {
            *self = Self::default();
        }
        self.exits.push_back(now);
        while self.exits.front().is_some_and(|exit| LOOP_WITHIN < now.saturating_sub(*exit)) {
            self.exits.pop_front();
        }
        // Once looping, exits are half a minute apart; only stability ends it.
        self.looping = self.looping || LOOP_EXITS <= self.exits.len();
    }

    /// Whether it keeps ending.
    pub(crate) const fn looping(&self) -> bool {
        self.looping
    }

    /// The number of exits and their time, the first time it loops.
    pub(crate) fn newly_looping(&mut self) -> Option<(u32, Duration)> {
        if !self.looping || self.named {
            return None;
        }
        self.named = true;
        let within = self.exits.back()?.saturating_sub(*self.exits.front()?);
        Some((u32::try_from(self.exits.len()).unwrap_or(u32::MAX), within))
    }

    /// How long to wait now.
    pub(crate) fn next(&mut self) -> Duration {
        let tries = self.tries;
        self.tries = tries.saturating_add(1);
        if self.looping {
            return LONGEST;
        }
        SHORTEST.saturating_mul(1 << tries.min(10)).min(LONGEST)
    }
}

/// An exit in words, with its cause where it is known.
pub(crate) fn describe(live: &Live, ended: Ended, limit: Option<Bytes>) -> String {
    if let Some(reason) = &live.killed {
        return format!("killed: {reason}");
    }
    if ended.out_of_memory {
        return match limit {
            Some(limit) => format!("killed: memory limit of {limit} reached"),
            None => "killed: the machine ran out of memory".to_owned(),
        };
    }
    let how = match (ended.code, ended.signal) {
        (Some(code), _) => format!("exited with {code}"),
        (None, Some(signal)) => format!("ended by {}", signal_name(signal)),
        (None, None) => "ended".to_owned(),
    };
    // What was killed could not take its own along; what went by itself ought to have.
    match (ended.left_behind, ended.code) {
        (0, _) => how,
        (_, None) => format!("{how}; what it had started was killed as well"),
        (1, Some(_)) => format!(
            "{how} and left a process behind, which was killed; it must stay in the foreground"
        ),
        (left, Some(_)) => format!(
            "{how} and left {left} processes behind, which were killed; it must stay in the \
             foreground"
        ),
    }
}

fn signal_name(signal: i32) -> String {
    let name = match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        13 => "SIGPIPE",
        15 => "SIGTERM",
        24 => "SIGXCPU",
        31 => "SIGSYS",
        _ => return format!("signal {signal}"),
    };
    name.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    #[test]
    fn the_wait_doubles_up_to_half_a_minute() {
        let mut back_off = BackOff::default();
        let waits: Vec<u128> = (0..10).map(|_| back_off.next().as_millis()).collect();
        assert_eq!(waits, [100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 30000]);
    }

    #[test]
    fn the_fifth_exit_within_a_minute_is_a_loop_and_is_named_once() {
        let mut back_off = BackOff::default();
        for exit in 0..4 {
            back_off.exited(at(exit * 1_000), None);
            assert_eq!(back_off.newly_looping(), None);
        }
        back_off.exited(at(4_000), None);
        assert_eq!(back_off.newly_looping(), Some((5, at(4_000))));
        back_off.exited(at(5_000), None);
        assert_eq!(back_off.newly_looping(), None);
        assert!(back_off.looping());
        assert_eq!(back_off.next(), LONGEST);
    }

    #[test]
    fn an_instance_that_was_stable_begins_anew() {
        let mut back_off = BackOff::default();
        for exit in 0..9 {
            back_off.exited(at(exit), None);
        }
        back_off.exited(at(60_000), Some(STABLE));
        assert!(!back_off.looping());
        assert_eq!(back_off.next(), SHORTEST);
    }

    #[test]
    fn exits_far_apart_are_no_loop() {
        let mut back_off = BackOff::default();
        for exit in 0..20 {
            back_off.exited(at(exit * 20_000), None);
        }
        assert!(!back_off.looping());
    }
}
