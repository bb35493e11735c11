//! How many tests passed and failed, read from what their runners print.

use std::fmt;
use std::ops::AddAssign;

/// A number of tests.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Tally {
    /// Those that passed.
    pub(crate) passed: u64,
    /// Those that failed.
    pub(crate) failed: u64,
}

impl Tally {
    /// Reads one line of output: cargo's `test result:`, or the closing line of our scripts.
    pub(crate) fn read(line: &str) -> Self {
        let counts = line.strip_prefix("test result: ").map_or(line, after_verdict);
        let mut numbers = counts.split([',', ';']).map(str::trim);
        let passed = numbers.next().and_then(|part| counted(part, "passed"));
        let failed = numbers.next().and_then(|part| counted(part, "failed"));
        match (passed, failed) {
            (Some(passed), Some(failed)) => Self { passed, failed },
            _ => Self::default(),
        }
    }

    /// Takes the exit status into account, so that nothing fails or passes without being counted.
    pub(crate) fn ended(mut self, success: bool) -> Self {
        if success && self == Self::default() {
            self.passed = 1;
        }
        if !success && self.failed == 0 {
            self.failed = 1;
        }
        self
    }
}

fn after_verdict(rest: &str) -> &str {
    rest.split_once(". ").map_or(rest, |(_, counts)| counts)
}

fn counted(part: &str, noun: &str) -> Option<u64> {
    part.strip_suffix(noun)?.trim_end().parse().ok()
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)
    }
}

#[cfg(test)]
mod tests {
    use super::Tally;

    fn check(line: &str, passed: u64, failed: u64) {
        assert_eq!(Tally::read(line), Tally { passed, failed }, "{line}");
    }

    #[test]
    fn the_lines_of_cargo_are_counted() {
        check(
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; finished in 0.1s",
            12,
            0,
        );
        check("test result: FAILED. 3 passed; 2 failed; 0 ignored; 0 measured", 3, 2);
    }

    #[test]
    fn the_closing_line_of_a_script_is_counted() {
        check("7 passed, 1 failed", 7, 1);
    }

    #[test]
    fn other_lines_count_nothing() {
        check("test a_test ... ok", 0, 0);
        check("all 7 passed, none failed", 0, 0);
        check("", 0, 0);
    }

    #[test]
    fn a_failure_is_counted_even_if_no_test_is_named() {
        assert_eq!(Tally::default().ended(false), Tally { passed: 0, failed: 1 });
        let crashed_after_passing = Tally { passed: 4, failed: 0 };
        assert_eq!(crashed_after_passing.ended(false), Tally { passed: 4, failed: 1 });
    }

    #[test]
    fn a_stage_without_tests_of_its_own_is_one() {
        assert_eq!(Tally::default().ended(true), Tally { passed: 1, failed: 0 });
    }
}
