//! Percentages: `99.9%`.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::QuantityError;

/// A share of a whole between 0 and 100 %, in parts per million, so that `99.99%` is exact.
#[derive(
    Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize,
)]
pub struct Percent {
    millionths: u32,
}

impl Percent {
    /// Reads a percentage with its sign.
    ///
    /// # Errors
    ///
    /// When the sign is missing, the number lies outside 0 to 100, or has more than four decimals.
    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        let wrong = || {
            QuantityError::new(
                format!("`{text}` is not a percentage"),
                "write a number between 0 and 100 and the sign: `99.9%`",
            )
        };
        let number = text.trim().strip_suffix('%').ok_or_else(wrong)?.trim_end();
        let (whole, decimals) = number.split_once('.').unwrap_or((number, ""));
        let all_digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || !all_digits(whole) || !all_digits(decimals) || 4 < decimals.len() {
            return Err(wrong());
        }
        let millionths: u32 =
            format!("{whole}{decimals:0<4}").parse().map_err(|_too_large| wrong())?;
        if 1_000_000 < millionths {
            return Err(wrong());
        }
        Ok(Self { millionths })
    }

    /// The share as a fraction between 0 and 1.
    #[must_use]
    pub fn fraction(self) -> f64 {
        f64::from(self.millionths) / 1e6
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}.{:04}", self.millionths / 10_000, self.millionths % 10_000);
        write!(f, "{}%", text.trim_end_matches('0').trim_end_matches('.'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_written_back() {
        for text in ["0%", "5%", "99.9%", "99.99%", "100%"] {
            assert_eq!(Percent::parse(text).map(|percent| percent.to_string()), Ok(text.into()));
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "%", "99", "101%", "100.0001%", "-1%", "1.23456%", "a%", "99999999999%"] {
            assert!(Percent::parse(text).is_err(), "{text}");
        }
    }
}
