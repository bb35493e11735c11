//! Amounts of memory and disk: `512Mi`, `20Gi`, `4k`, plain bytes.
//!
//! Kubernetes' suffixes: `Ki`, `Mi`, `Gi`, `Ti` are powers of 1024; `k`, `M`, `G`, `T` of 1000.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::QuantityError;

const REMEDY: &str = "write a number and a unit: `512Mi`, `20Gi`, `100M`";

/// A number of bytes.
#[derive(
    Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, Ord, PartialEq, PartialOrd, Serialize,
)]
pub struct Bytes(pub u64);

impl Bytes {
    /// Reads an amount.
    ///
    /// # Errors
    ///
    /// When the text is no number with a known unit, or does not fit 64 bits.
    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        let wrong = || QuantityError::new(format!("`{text}` is not a size"), REMEDY);
        let trimmed = text.trim();
        let digits = trimmed.bytes().take_while(|b| b.is_ascii_digit() || *b == b'.').count();
        let (number, unit) = trimmed.split_at(digits);
        let factor: u64 = match unit.trim_start() {
            "" | "B" => 1,
            "k" => 1_000,
            "M" => 1_000_000,
            "G" => 1_000_000_000,
            "T" => 1_000_000_000_000,
            "Ki" => 1 << 10,
            "Mi" => 1 << 20,
            "Gi" => 1 << 30,
            "Ti" => 1 << 40,
            _ => return Err(wrong()),
        };
        if let Ok(whole) = number.parse::<u64>() {
            return whole.checked_mul(factor).map(Self).ok_or_else(wrong);
        }
        let fraction: f64 = number.parse().map_err(|_not_a_number| wrong())?;
        #[expect(clippy::cast_precision_loss, reason = "factors are far below 2^53")]
        let bytes = fraction * factor as f64;
        if !(0.0..9.0e18).contains(&bytes) {
            return Err(wrong());
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the range was checked in the line before; a fraction of a byte is dropped"
        )]
        Ok(Self(bytes as u64))
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (unit, size) in [("Ti", 1_u64 << 40), ("Gi", 1 << 30), ("Mi", 1 << 20), ("Ki", 1 << 10)]
        {
            if size <= self.0 {
                if self.0.is_multiple_of(size) {
                    return write!(f, "{}{unit}", self.0 / size);
                }
                let tenths = u128::from(self.0) * 10 / u128::from(size);
                return write!(f, "{}.{}{unit}", tenths / 10, tenths % 10);
            }
        }
        write!(f, "{}B", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_read() {
        let check = |text: &str, bytes: u64| assert_eq!(Bytes::parse(text), Ok(Bytes(bytes)));
        check("0", 0);
        check("512Mi", 512 << 20);
        check("1.5Gi", 3 << 29);
        check("4k", 4_000);
        check("20 Gi", 20 << 30);
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "Mi", "12 monkeys", "-1", "1.2.3M", "99999999999999999999", "20000000Ti"] {
            assert!(Bytes::parse(text).is_err(), "{text}");
        }
    }
}
