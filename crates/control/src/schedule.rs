//! When a job runs next, by its cron expression in UTC.

use std::str::FromStr as _;

use croner::Cron;
use jiff::Timestamp;
use jiff::tz::TimeZone;

/// The first moment after `after` (milliseconds since the Unix epoch) that the expression names;
/// `None` when it names none any more.
pub(crate) fn next(expression: &str, after: i64) -> Option<i64> {
    let cron = Cron::from_str(expression).ok()?;
    let after = Timestamp::from_millisecond(after).ok()?.to_zoned(TimeZone::UTC);
    let next = cron.find_next_occurrence(&after, false).ok()?;
    Some(next.timestamp().as_millisecond())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(expression: &str, after: &str, expected: &str) {
        let after: Timestamp = after.parse().unwrap();
        let next = next(expression, after.as_millisecond()).unwrap();
        assert_eq!(Timestamp::from_millisecond(next).unwrap().to_string(), expected);
    }

    #[test]
    fn the_next_moment_lies_after_now() {
        check("0 2 * * *", "2026-01-31T01:59:59Z", "2026-01-31T02:00:00Z");
        check("0 2 * * *", "2026-01-31T02:00:00Z", "2026-02-01T02:00:00Z");
        check("*/15 * * * *", "2026-01-31T02:07:00Z", "2026-01-31T02:15:00Z");
        check("0 0 29 2 *", "2026-01-31T02:07:00Z", "2028-02-29T00:00:00Z");
    }
}
