//! Rates: `50/s`, `5/m`, `100/h`.

use std::fmt;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::QuantityError;

/// So many events in one second, minute or hour.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct Rate {
    /// How many.
    pub count: u32,
    /// In which time: a second, a minute or an hour.
    pub per: Duration,
}

impl Rate {
    /// Reads a rate.
    ///
    /// # Errors
    ///
    /// When the text is no whole number above zero followed by `/s`, `/m` or `/h`.
    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        let wrong = || {
            QuantityError::new(
                format!("`{text}` is not a rate"),
                "write a whole number per second, minute or hour: `50/s`, `5/m`, `100/h`",
            )
        };
        let (count, unit) = text.trim().split_once('/').ok_or_else(wrong)?;
        let seconds = match unit {
            "s" => 1,
            "m" => 60,
            "h" => 3_600,
            _ => return Err(wrong()),
        };
        let count: u32 = count.parse().map_err(|_not_a_count| wrong())?;
        if count == 0 {
            return Err(wrong());
        }
        Ok(Self { count, per: Duration::from_secs(seconds) })
    }

    /// Events per second.
    #[must_use]
    pub fn per_second(self) -> f64 {
        f64::from(self.count) / self.per.as_secs_f64()
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.per.as_secs() {
            1 => "s",
            60 => "m",
            _ => "h",
        };
        write!(f, "{}/{unit}", self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_read_is_written_back() {
        for text in ["50/s", "5/m", "100/h"] {
            assert_eq!(Rate::parse(text).map(|rate| rate.to_string()), Ok(text.into()));
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "5", "5/d", "/s", "-5/s", "0/s", "1.5/s", "99999999999/s"] {
            assert!(Rate::parse(text).is_err(), "{text}");
        }
    }
}
