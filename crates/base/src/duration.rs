//! Durations as people write them: `250ms`, `30s`, `5m`, `24h`, `7d`, `2w`, and sums like `1m30s`.

use std::time::Duration;

use crate::QuantityError;

const REMEDY: &str = "write a number and a unit: `250ms`, `30s`, `5m`, `24h`, `7d`";

/// A hundred years; longer is a typo, and keeps every later sum far from overflow.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 86_400);

/// Reads a duration.
///
/// # Errors
///
/// When the text is empty, has no unit, an unknown unit, or exceeds a hundred years.
pub fn parse_duration(text: &str) -> Result<Duration, QuantityError> {
    let wrong = || QuantityError::new(format!("`{text}` is not a duration"), REMEDY);
    let mut rest = text.trim();
    if rest.is_empty() {
        return Err(wrong());
    }
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.bytes().take_while(|b| b.is_ascii_digit() || *b == b'.').count();
        let (number, after) = rest.split_at(digits);
        let letters = after.bytes().take_while(u8::is_ascii_alphabetic).count();
        let (unit, after) = after.split_at(letters);
        let number: f64 = number.parse().map_err(|_not_a_number| wrong())?;
        let seconds = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3_600.0,
            "d" => 86_400.0,
            "w" => 604_800.0,
            _ => return Err(wrong()),
        };
        let part = Duration::try_from_secs_f64(number * seconds).map_err(|_too_long| wrong())?;
        total = total.checked_add(part).filter(|sum| *sum <= LONGEST).ok_or_else(wrong)?;
        rest = after.trim_start();
    }
    Ok(total)
}

/// Writes a duration the way [`parse_duration`] reads it, in its largest whole units.
#[must_use]
pub fn format_duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    if millis == 0 {
        return "0s".to_owned();
    }
    let mut rest = millis;
    let mut parts = Vec::new();
    for (unit, size) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)] {
        let count = rest / size;
        if 0 < count {
            parts.push(format!("{count}{unit}"));
            rest %= size;
        }
    }
    if 0 < rest {
        parts.push(format!("{rest}ms"));
    }
    parts.concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_and_sums_are_read() {
        let check = |text: &str, millis: u64| {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        };
        check("250ms", 250);
        check("30s", 30_000);
        check("1.5s", 1_500);
        check("1m30s", 90_000);
        check("24h", 86_400_000);
        check("7d", 604_800_000);
        check("0s", 0);
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", " ", "5", "s", "5 parsecs", "-1s", "1..2s", "1e9d", "5s!", "9999999w"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        for millis in [0, 1, 999, 1_000, 61_001, 90_061_500] {
            let duration = Duration::from_millis(millis);
            assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
        }
    }
}
