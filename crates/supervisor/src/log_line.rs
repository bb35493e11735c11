//! One line of a log: `2026-01-31T12:00:00.000001Z out text`.
//!
//! The text is what the process wrote, byte for byte but for the line's end; control sequences for
//! colours are kept, since a terminal wants them back. A line longer than [`LONGEST`] is cut and
//! says so. Time and stream come first and have a fixed shape, so that files can be merged and
//! grepped without a parser.

use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The most bytes of a line that are kept.
pub(crate) const LONGEST: usize = 64 << 10;

/// What stands at the end of a line that was cut.
pub(crate) const CUT: &str = " …[cut]";

/// Where a line comes from.
#[derive(
    Clone, Copy, Debug, Deserialize, Eq, JsonSchema, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
    /// A remark of the supervisor's: lines that are missing.
    Sys,
}

impl Stream {
    pub(crate) const fn token(self) -> &'static str {
        match self {
            Self::Out => "out",
            Self::Err => "err",
            Self::Sys => "sys",
        }
    }

    fn parse(token: &str) -> Option<Self> {
        [Self::Out, Self::Err, Self::Sys].into_iter().find(|stream| stream.token() == token)
    }
}

impl fmt::Display for Stream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.token())
    }
}

/// One line of a log.
#[derive(Clone, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
pub struct LogLine {
    /// When the supervisor read it.
    #[schemars(with = "String")]
    pub at: Timestamp,
    /// The instance, job or platform process.
    pub id: String,
    /// The service it belongs to.
    pub service: String,
    /// Where it comes from.
    pub stream: Stream,
    /// What it says; bytes that are no UTF-8 are replaced.
    pub text: String,
}

/// The time as it stands in a file; always 27 bytes.
pub(crate) fn timestamp(at: Timestamp) -> String {
    format!("{at:.6}")
}

/// Takes a line of a file apart.
pub(crate) fn parse(line: &str) -> Option<(Timestamp, Stream, &str)> {
    let (at, rest) = line.split_once(' ')?;
    let (stream, text) = rest.split_once(' ').unwrap_or((rest, ""));
    Some((at.parse().ok()?, Stream::parse(stream)?, text))
}

/// A file's name for an id: what is not a letter, digit, `.`, `_` or `-` is written as `%2F`.
pub(crate) fn file_name(id: &str) -> String {
    let mut name = String::with_capacity(id.len());
    for (position, byte) in id.bytes().enumerate() {
        let plain = byte.is_ascii_alphanumeric()
            || matches!(byte, b'_' | b'-')
            || (byte == b'.' && position != 0);
        if plain {
            name.push(char::from(byte));
        } else {
            name.extend(['%', hex(byte >> 4), hex(byte & 15)]);
        }
    }
    name
}

/// The id of a file's name.
pub(crate) fn id_of(name: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name.as_bytes();
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'%' {
            bytes.push(*byte);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

fn hex(digit: u8) -> char {
    char::from_digit(u32::from(digit), 16).unwrap_or('0').to_ascii_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_survives_being_a_file_name() {
        for id in ["api-1", "db-primary/init", "../../etc/passwd", "50%", ".hidden", "naïve"] {
            let name = file_name(id);
            assert!(!name.contains('/') && !name.starts_with('.'), "{name}");
            assert_eq!(id_of(&name).as_deref(), Some(id));
        }
    }

    #[test]
    fn a_line_is_read_as_it_was_written() {
        let at: Timestamp = "2026-01-31T12:00:00.000001Z".parse().unwrap();
        let line = format!("{} err \u{1b}[31mred", timestamp(at));
        assert_eq!(parse(&line), Some((at, Stream::Err, "\u{1b}[31mred")));
        assert_eq!(parse("not a line"), None);
    }
}
