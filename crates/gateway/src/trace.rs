//! Request ids and W3C trace context.
//!
//! Ids need to be unique, not secret, so they come from a small generator per thread that is seeded
//! by the system once. A trace that starts here takes the request's id as its own: one word finds
//! both.

use std::cell::Cell;

use crate::digits;

/// A trace's id: 32 hexadecimal digits.
pub(crate) type TraceId = [u8; 32];

/// A longer request id is not taken over.
const LONGEST_REQUEST_ID: usize = 64;

/// What a request is called.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RequestId {
    bytes: [u8; LONGEST_REQUEST_ID],
    length: usize,
}

impl RequestId {
    /// Takes over a caller's id when it is short and holds nothing that a log would choke on.
    pub(crate) fn parse(id: &[u8]) -> Option<Self> {
        let harmless = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
        if id.is_empty() || !id.iter().all(harmless) {
            return None;
        }
        let mut bytes = [0; LONGEST_REQUEST_ID];
        bytes.get_mut(..id.len())?.copy_from_slice(id);
        Some(Self { bytes, length: id.len() })
    }

    /// As it is written.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

impl From<TraceId> for RequestId {
    fn from(id: TraceId) -> Self {
        let mut bytes = [0; LONGEST_REQUEST_ID];
        bytes[..32].copy_from_slice(&id);
        Self { bytes, length: id.len() }
    }
}

/// A `traceparent` of version 00: `00-`, 32 digits, `-`, 16 digits, `-`, 2 digits.
const TRACEPARENT_LENGTH: usize = 55;

/// A generator of ids, for one thread.
#[derive(Debug)]
pub(crate) struct Ids {
    state: Cell<u64>,
}

impl Ids {
    /// Seeds it from the system.
    pub(crate) fn new() -> Result<Self, getrandom::Error> {
        Ok(Self { state: Cell::new(getrandom::u64()?) })
    }

    /// The next number: `splitmix64`, whose every state has a period of 2⁶⁴.
    pub(crate) fn next(&self) -> u64 {
        let state = self.state.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.state.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A new trace id; never all zero, which one may not be.
    pub(crate) fn trace_id(&self) -> TraceId {
        let mut id = [b'0'; 32];
        let (high, low) = id.split_at_mut(16);
        high.copy_from_slice(&digits::hex(self.next() | 1));
        low.copy_from_slice(&digits::hex(self.next()));
        id
    }

    /// A new span id.
    pub(crate) fn span_id(&self) -> [u8; 16] {
        digits::hex(self.next() | 1)
    }
}

/// The trace id and the flags of a `traceparent`, when it is well-formed.
pub(crate) fn parse_traceparent(value: &[u8]) -> Option<(&[u8], &[u8])> {
    if value.len() != TRACEPARENT_LENGTH {
        return None;
    }
    let trace = value.strip_prefix(b"00-")?;
    let (trace, rest) = trace.split_at_checked(32)?;
    let (span, flags) = rest.strip_prefix(b"-")?.split_at_checked(16)?;
    let flags = flags.strip_prefix(b"-")?;
    let is_hex = |text: &[u8]| text.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let is_id = |text: &[u8]| is_hex(text) && text.iter().any(|byte| *byte != b'0');
    (is_id(trace) && is_id(span) && is_hex(flags)).then_some((trace, flags))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_well_formed_traceparent_is_continued() {
        let right = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let (trace, flags) = parse_traceparent(right).unwrap();
        assert_eq!(trace, b"4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(flags, b"01");
        for wrong in [
            "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
            "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
            "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
            "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-0",
            "00-4bf92f3577b34da6a3ce929d0e0e4736+00f067aa0ba902b7-01",
            "",
        ] {
            assert!(parse_traceparent(wrong.as_bytes()).is_none(), "{wrong}");
        }
    }

    #[test]
    fn a_request_id_that_could_do_harm_is_not_taken_over() {
        assert_eq!(RequestId::parse(b"a-B_9.").unwrap().as_bytes(), b"a-B_9.");
        for wrong in ["", "a b", "a\"b", "a\u{e9}", &"x".repeat(65)] {
            assert!(RequestId::parse(wrong.as_bytes()).is_none(), "{wrong}");
        }
    }

    #[test]
    fn ids_are_hexadecimal_and_differ() {
        let ids = Ids::new().unwrap();
        assert_ne!(ids.trace_id(), ids.trace_id());
        assert!(ids.span_id().iter().all(u8::is_ascii_hexdigit));
    }
}
