//! A short name for content, for files that must be told apart by what is in them.

use serde::Serialize;
use sha2::{Digest as _, Sha256};

/// Twelve hexadecimal digits of the SHA-256 of a value's JSON: enough to tell versions apart, not
/// to resist an attacker.
pub fn digest<T: Serialize>(value: &T) -> String {
    let text = serde_json::to_vec(value).expect("plans hold nothing that JSON cannot express");
    Sha256::digest(text).iter().take(6).map(|byte| format!("{byte:02x}")).collect()
}
