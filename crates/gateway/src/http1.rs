//! HTTP/1.1 on bytes: what a head says, where a body ends, and what is refused.
//!
//! Pure functions over slices, so that they can be fuzzed and tested without a socket. `httparse`
//! does the scanning; every judgement about framing is made here, because two parties that frame
//! the same bytes differently are how requests are smuggled. The rule is therefore: one reading,
//! or a refusal. Nothing is repaired, and what is sent on is written anew from what was understood.

mod chunked;
mod field;
mod host;
pub mod laws;
mod path;
mod request;
mod response;

pub use chunked::{ChunkDecoder, ChunkStep};
pub use field::{FieldStore, MOST_FIELDS};
pub use path::{NormalPath, normalise};
pub use request::{
    Expectation, Framing, Persistence, RequestHead, Target, Upgrade, Version, parse_request,
};
pub use response::{ResponseFraming, ResponseHead, parse_response};

pub(crate) use field::{Field, is_token, list_contains, tokens};
pub(crate) use host::without_port;

/// Why bytes from a client or an upstream are not accepted.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Refusal {
    /// The first line is not `method SP target SP version`.
    FirstLine,
    /// A version other than 1.0 and 1.1.
    Version,
    /// A method that a reverse proxy does not serve.
    Method,
    /// The target is of the wrong form or has bytes that no URI has.
    Target,
    /// The target is longer than the limit.
    TargetTooLong,
    /// The path climbs above the root, hides a climb, or is not decodable.
    Path,
    /// A field name is not a token, has space around it, or a line is folded.
    FieldName,
    /// A field value holds a control character.
    FieldValue,
    /// A line feed without carriage return, or the other way round.
    LineEnding,
    /// More fields than the limit.
    TooManyFields,
    /// A head longer than the limit.
    HeadTooLarge,
    /// Host is missing, repeated or not a host.
    Host,
    /// The target names another host than Host does.
    HostMismatch,
    /// Content-Length is repeated or not a plain number.
    ContentLength,
    /// Transfer-Encoding is something else than exactly `chunked`, or stands in HTTP/1.0.
    TransferEncoding,
    /// Content-Length and Transfer-Encoding together.
    BothLengths,
    /// An expectation other than `100-continue`.
    Expectation,
    /// Bytes after a request to switch protocols and before the answer to it.
    EarlyBytes,
    /// A chunk's size is not a hexadecimal number of sensible length.
    ChunkSize,
    /// A chunk's extension is too long or malformed.
    ChunkExtension,
    /// A chunk does not end where its size says.
    ChunkEnd,
    /// Trailers are malformed or too long.
    Trailer,
    /// The body is larger than the limit.
    BodyTooLarge,
    /// A response's status is not one that can be sent.
    Status,
}

impl Refusal {
    /// Every reason, for metrics.
    pub const ALL: [Self; 24] = [
        Self::FirstLine,
        Self::Version,
        Self::Method,
        Self::Target,
        Self::TargetTooLong,
        Self::Path,
        Self::FieldName,
        Self::FieldValue,
        Self::LineEnding,
        Self::TooManyFields,
        Self::HeadTooLarge,
        Self::Host,
        Self::HostMismatch,
        Self::ContentLength,
        Self::TransferEncoding,
        Self::BothLengths,
        Self::Expectation,
        Self::EarlyBytes,
        Self::ChunkSize,
        Self::ChunkExtension,
        Self::ChunkEnd,
        Self::Trailer,
        Self::BodyTooLarge,
        Self::Status,
    ];

    /// The word for it in metrics.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::FirstLine => "first_line",
            Self::Version => "version",
            Self::Method => "method",
            Self::Target => "target",
            Self::TargetTooLong => "target_too_long",
            Self::Path => "path",
            Self::FieldName => "field_name",
            Self::FieldValue => "field_value",
            Self::LineEnding => "line_ending",
            Self::TooManyFields => "too_many_fields",
            Self::HeadTooLarge => "head_too_large",
            Self::Host => "host",
            Self::HostMismatch => "host_mismatch",
            Self::ContentLength => "content_length",
            Self::TransferEncoding => "transfer_encoding",
            Self::BothLengths => "both_lengths",
            Self::Expectation => "expectation",
            Self::EarlyBytes => "early_bytes",
            Self::ChunkSize => "chunk_size",
            Self::ChunkExtension => "chunk_extension",
            Self::ChunkEnd => "chunk_end",
            Self::Trailer => "trailer",
            Self::BodyTooLarge => "body_too_large",
            Self::Status => "status",
        }
    }

    /// The sentence for people.
    #[must_use]
    pub const fn sentence(self) -> &'static str {
        match self {
            Self::FirstLine => "The first line is not an HTTP/1.1 request.",
            Self::Version => "Only HTTP/1.0 and HTTP/1.1 are spoken here.",
            Self::Method => "CONNECT and TRACE are not served.",
            Self::Target => "The request target is not valid.",
            Self::TargetTooLong => "The request target is too long.",
            Self::Path => "The path climbs above the root or is ambiguous.",
            Self::FieldName => "A header field's name is not valid.",
            Self::FieldValue => "A header field's value is not valid.",
            Self::LineEnding => "A line does not end in CR LF.",
            Self::TooManyFields => "There are too many header fields.",
            Self::HeadTooLarge => "The header fields are too large.",
            Self::Host => "Host must be there once and be a host.",
            Self::HostMismatch => "The target and Host name different hosts.",
            Self::ContentLength => "Content-Length must be one plain number.",
            Self::TransferEncoding => "The only transfer coding accepted is chunked.",
            Self::BothLengths => "Content-Length and Transfer-Encoding exclude each other.",
            Self::Expectation => "The only expectation known is 100-continue.",
            Self::EarlyBytes => "Nothing may follow an upgrade request before its answer.",
            Self::ChunkSize => "A chunk's size is not valid.",
            Self::ChunkExtension => "A chunk's extension is not valid.",
            Self::ChunkEnd => "A chunk does not end where its size says.",
            Self::Trailer => "The trailer fields are not valid.",
            Self::BodyTooLarge => "The request's body is too large.",
            Self::Status => "The status is not valid.",
        }
    }

    /// The status that a client gets for it.
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Version => 505,
            Self::Method => 501,
            Self::TargetTooLong => 414,
            Self::TooManyFields | Self::HeadTooLarge => 431,
            Self::BodyTooLarge => 413,
            Self::Expectation => 417,
            _ => 400,
        }
    }
}
