//! Header fields: which ones concern us, told apart by length first.
//!
//! Origins that map names to variables (CGI, WSGI) cannot tell `-` from `_`, so a name that only
//! differs from one of ours by underscores is recognised too, and then dropped: otherwise
//! `X_Forwarded_For` would say to such an origin what `X-Forwarded-For` may not.

use std::mem::MaybeUninit;

/// More fields than this in one head are refused.
pub const MOST_FIELDS: usize = 100;

/// Room for the fields of one head, so that parsing allocates nothing.
#[derive(Debug)]
pub struct FieldStore<'b> {
    pub(super) raw: [MaybeUninit<httparse::Header<'b>>; MOST_FIELDS],
    pub(super) kinds: [Field; MOST_FIELDS],
}

impl FieldStore<'_> {
    /// Room for [`MOST_FIELDS`] fields.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            raw: [const { MaybeUninit::uninit() }; MOST_FIELDS],
            kinds: [Field::Other; MOST_FIELDS],
        }
    }
}

impl Default for FieldStore<'_> {
    fn default() -> Self {
        Self::new()
    }
}

/// What a field is to us.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Field {
    /// Passed on as it is.
    Other,
    Accept,
    Connection,
    ContentLength,
    Date,
    Expect,
    Host,
    RequestId,
    TraceParent,
    TraceState,
    TransferEncoding,
    Upgrade,
    /// Says who the client is and what it asked for: `Forwarded`, `X-Forwarded-For`.
    Forwarded,
    /// `X-Forwarded-Proto`.
    ForwardedProto,
    /// `X-Forwarded-Host`.
    ForwardedHost,
    /// Believed by some origins, set by no honest client: `X-Real-IP`, `X-Original-URL`.
    Spoof,
    /// Ends at this hop: `Keep-Alive`, `TE`, `Trailer`.
    Hop,
    /// Reads like one of the above to an origin that confuses `_` and `-`.
    Ambiguous,
}

impl Field {
    pub(super) fn classify(name: &[u8]) -> Self {
        let known = Self::known(name);
        if known != Self::Other && name.contains(&b'_') {
            return Self::Ambiguous;
        }
        known
    }

    fn known(name: &[u8]) -> Self {
        let is = |expected: &[u8]| same_loosely(name, expected);
        match name.len() {
            2 if is(b"te") => Self::Hop,
            4 if is(b"host") => Self::Host,
            4 if is(b"date") => Self::Date,
            6 if is(b"accept") => Self::Accept,
            6 if is(b"expect") => Self::Expect,
            7 if is(b"upgrade") => Self::Upgrade,
            7 if is(b"trailer") => Self::Hop,
            9 if is(b"forwarded") => Self::Forwarded,
            9 if is(b"x-real-ip") => Self::Spoof,
            10 if is(b"connection") => Self::Connection,
            10 if is(b"keep-alive") => Self::Hop,
            10 if is(b"tracestate") => Self::TraceState,
            11 if is(b"traceparent") => Self::TraceParent,
            12 if is(b"x-request-id") => Self::RequestId,
            13 if is(b"x-rewrite-url") => Self::Spoof,
            14 if is(b"content-length") => Self::ContentLength,
            14 if is(b"x-original-url") => Self::Spoof,
            14 if is(b"http2-settings") => Self::Hop,
            15 if is(b"x-forwarded-for") => Self::Forwarded,
            16 if is(b"x-forwarded-host") => Self::ForwardedHost,
            16 if is(b"x-forwarded-port") => Self::Spoof,
            16 if is(b"proxy-connection") => Self::Hop,
            17 if is(b"x-forwarded-proto") => Self::ForwardedProto,
            17 if is(b"transfer-encoding") => Self::TransferEncoding,
            18 if is(b"proxy-authenticate") => Self::Hop,
            18 if is(b"x-forwarded-prefix") => Self::Spoof,
            18 if is(b"x-forwarded-server") => Self::Spoof,
            19 if is(b"proxy-authorization") => Self::Hop,
            _ => Self::Other,
        }
    }
}

/// Equality that knows neither case nor the difference of `-` and `_`; `expected` is lowercase.
fn same_loosely(name: &[u8], expected: &[u8]) -> bool {
    name.iter().zip(expected).all(|(&byte, &expected)| {
        byte.to_ascii_lowercase() == expected || (byte == b'_' && expected == b'-')
    })
}

/// Removes the optional whitespace that may stand around a value.
pub(super) fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// Whether it is a token of RFC 9110, 5.6.2.
pub(crate) fn is_token(text: &[u8]) -> bool {
    !text.is_empty()
        && text.iter().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte))
}

/// The members of a comma-separated list, without the empty ones.
pub(crate) fn tokens(list: &[u8]) -> impl Iterator<Item = &[u8]> {
    list.split(|byte| *byte == b',').map(trim).filter(|member| !member.is_empty())
}

/// Whether a comma-separated list has a member, in whatever case.
pub(crate) fn list_contains(list: &[u8], member: &[u8]) -> bool {
    tokens(list).any(|token| token.eq_ignore_ascii_case(member))
}

/// Reads a Content-Length: digits alone, nothing repeated, no overflow.
pub(super) fn parse_length(value: &[u8]) -> Option<u64> {
    // 19 digits cannot overflow 64 bits.
    if value.is_empty() || 19 < value.len() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    Some(value.iter().fold(0, |sum, digit| sum * 10 + u64::from(digit - b'0')))
}

/// Whether every line feed of a head follows a carriage return. `httparse` lets a bare one end a
/// line, which other parsers do not. Looks at all bytes without stopping, so that it is done many
/// at a time.
pub(super) fn lines_end_properly(head: &[u8]) -> bool {
    let pairs = head.iter().zip(head.iter().skip(1));
    let bare =
        pairs.fold(false, |bare, (before, byte)| bare | ((*byte == b'\n') & (*before != b'\r')));
    !bare && head.first() != Some(&b'\n')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_length_is_digits_and_nothing_else() {
        let check = |value: &str, expected| assert_eq!(parse_length(value.as_bytes()), expected);
        check("0", Some(0));
        check("0012", Some(12));
        check("9999999999999999999", Some(9_999_999_999_999_999_999));
        for wrong in ["", "+5", "-1", "5,5", "0x5", "5 ", "5.0", "18446744073709551616", "٥"] {
            check(wrong, None);
        }
    }

    #[test]
    fn an_underscore_makes_a_known_name_ambiguous_and_leaves_an_unknown_one_alone() {
        assert_eq!(Field::classify(b"X-Forwarded-FOR"), Field::Forwarded);
        assert_eq!(Field::classify(b"X_Forwarded-For"), Field::Ambiguous);
        assert_eq!(Field::classify(b"Content_Length"), Field::Ambiguous);
        assert_eq!(Field::classify(b"my_header"), Field::Other);
    }
}
