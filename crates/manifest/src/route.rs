//! `[route.NAME]`: which requests go to which service.

use std::time::Duration;

use base::{Diagnostic, Rate, Span, Spanned};

use crate::cursor::{Cursor, Refusal};
use crate::field::{Field, Section, Shape, Syntax};
use crate::forms::url_path;
use crate::tree::{Node, Table, Value};

/// Requests to a host, divided by path.
#[derive(Clone, Debug, PartialEq)]
pub struct Route {
    /// As in the header.
    pub name: Spanned<String>,
    /// The host that requests must name; any when absent.
    pub host: Option<Spanned<String>>,
    /// The listener that they must come through; any when absent.
    pub listener: Option<Spanned<String>>,
    /// The longest one that fits decides.
    pub paths: Vec<RoutePath>,
    /// Where the section is named.
    pub span: Span,
}

/// Where requests below a path go.
#[derive(Clone, Debug, PartialEq)]
pub struct RoutePath {
    /// `/api/` takes everything below it, `/api` only itself; `/` everything.
    pub path: Spanned<String>,
    /// The service.
    pub to: Spanned<String>,
    /// How long an answer may take.
    pub timeout: Option<Spanned<Duration>>,
    /// How many requests are let through.
    pub limit: Option<Spanned<Limit>>,
    /// Whether the service sees the path without this prefix.
    pub strip: Spanned<bool>,
    /// How often an idempotent request is tried again on another instance.
    pub retries: Spanned<u32>,
}

/// How many requests are let through.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Limit {
    /// In the long run.
    pub rate: Rate,
    /// At once.
    pub burst: u32,
    /// Who is counted together.
    pub by: LimitBy,
}

/// Whose requests are counted together.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum LimitBy {
    /// All.
    Everyone,
    /// Those from one address.
    Client,
}

/// How long an answer may take when a route does not say.
pub const DEFAULT_TIMEOUT: Duration = Duration::from_secs(60);
/// How often an idempotent request is tried again when a route does not say.
pub const DEFAULT_RETRIES: u32 = 1;

/// The keys of `[route.NAME]` beside its paths.
pub static FIELDS: &[Field] = &[
    Field::new(
        "host",
        Syntax::Form("a host name; `*.example.com` for all directly below"),
        "The host that requests must name; left out: any.",
    )
    .example("\"www.example.com\""),
    Field::new(
        "listener",
        Syntax::Name("listener"),
        "The listener that requests must come through; left out: any.",
    )
    .example("\"web\""),
];

/// The keys of a path.
pub static PATH: &[Field] = &[
    Field::new("to", Syntax::Name("service"), "The service that answers.")
        .example("\"api\"")
        .required(),
    Field::new("timeout", Syntax::Duration, "How long an answer may take to begin.")
        .default("\"60s\"")
        .example("\"30s\""),
    Field::new(
        "limit",
        Syntax::Form("`RATE`, then any of `burst N`, `by client`"),
        "How many \
        requests are let through; more are answered with 429.",
    )
    .example("\"50/s burst 100 by client\""),
    Field::new("strip", Syntax::Boolean, "Whether the service sees the path without this prefix.")
        .default("false")
        .example("true"),
    Field::new(
        "retries",
        Syntax::Whole(0, 10),
        "How often an idempotent request is tried again \
        on another instance when a connection fails.",
    )
    .default("1")
    .example("2"),
];

/// `[route.NAME]`.
pub static SECTION: Section = Section {
    name: "route",
    about: "Which requests go to which service. Keys that begin with `/` are paths: one that \
        ends in `/` takes everything below it, the longest that fits decides.",
    shape: Shape::Routes(FIELDS, PATH),
    example: "[route.app]\nhost    = \"www.example.com\"\n\"/\"     = { to = \"web\" \
        }\n\"/api/\" = { to = \"api\", timeout = \"30s\", limit = \"50/s burst 100 by client\" }",
};

impl Route {
    pub(crate) fn read(
        name: Spanned<String>,
        node: &Node,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<Self> {
        let path = format!("route.{}", name.value);
        let mut paths = Vec::new();
        if let Value::Table(table) = &node.value {
            for (key, node) in table.iter().filter(|(key, _)| !key.starts_with("x-")) {
                if key.starts_with('/') {
                    let key = Spanned::new(key.to_owned(), node.key_span);
                    paths.extend(RoutePath::read(key, &path, node, diagnostics));
                } else if FIELDS.iter().all(|field| field.name != key) {
                    diagnostics.push(unknown(&path, key, node));
                }
            }
        }
        let span = name.span;
        let any = !paths.is_empty();
        let mut cursor = Cursor::open_shared(node, &path, FIELDS, diagnostics)?;
        // A wrong host is kept, so that the route is not also compared as one of any host.
        let raw = cursor.has("host").then(|| cursor.text_or_empty("host"));
        let host = cursor.read("host", host).or(raw);
        let listener = cursor.name("listener");
        let has_path = |table: &Table| table.iter().any(|(key, _)| key.starts_with('/'));
        if !matches!(&node.value, Value::Table(table) if has_path(table)) {
            let message = format!("route `{}` has no path", name.value);
            let help = "add `\"/\" = { to = \"…\" }` with the name of a service";
            cursor.report(Diagnostic::error("missing-key", message).at(span, "").help(help));
        }
        any.then_some(Self { name, host, listener, paths, span })
    }
}

impl RoutePath {
    fn read(
        path: Spanned<String>,
        route: &str,
        node: &Node,
        diagnostics: &mut Vec<Diagnostic>,
    ) -> Option<Self> {
        if let Err(refusal) = url_path(&path.value) {
            diagnostics.push(
                Diagnostic::error("bad-value", refusal.message)
                    .at(path.span, "")
                    .help(refusal.help),
            );
        }
        if let Value::Text(to) = &node.value {
            let message = format!("`{}` must be a table, not text", path.value);
            let help = format!("write `\"{}\" = {{ to = \"{to}\" }}`", path.value);
            diagnostics.push(Diagnostic::error("wrong-type", message).at(node.span, "").help(help));
            return None;
        }
        let span = path.span;
        let mut cursor =
            Cursor::open(node, &format!("{route}.\"{}\"", path.value), PATH, diagnostics)?;
        cursor.require_all();
        let timeout = cursor.period("timeout");
        let limit = cursor.read("limit", Limit::parse);
        let strip = cursor.boolean("strip").unwrap_or(Spanned::new(false, span));
        let retries = cursor.whole("retries").unwrap_or(Spanned::new(DEFAULT_RETRIES, span));
        Some(Self { to: cursor.name("to")?, path, timeout, limit, strip, retries })
    }

    /// How long an answer may take.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.timeout.map_or(DEFAULT_TIMEOUT, |timeout| timeout.value)
    }
}

impl Limit {
    /// Reads `50/s burst 100 by client`.
    ///
    /// # Errors
    ///
    /// When it does not begin with a rate, or goes on with other words.
    pub fn parse(text: &str) -> Result<Self, Refusal> {
        let words: Vec<&str> = text.split_whitespace().collect();
        let [rate, rest @ ..] = words.as_slice() else {
            return Err(Refusal::new("the limit is empty", "write `50/s burst 100 by client`"));
        };
        let rate = Rate::parse(rate)?;
        let mut limit = Self { rate, burst: rate.count, by: LimitBy::Everyone };
        let mut rest = rest;
        loop {
            rest = match rest {
                [] => return Ok(limit),
                ["by", "client", rest @ ..] => {
                    limit.by = LimitBy::Client;
                    rest
                }
                ["burst", count, rest @ ..] => {
                    limit.burst =
                        count.parse().ok().filter(|burst| 0 < *burst).ok_or_else(|| {
                            let message = format!("`burst {count}` is no count above zero");
                            Refusal::new(message, "write `burst 100`")
                        })?;
                    rest
                }
                [stray, ..] => {
                    let message = format!("a limit does not understand `{stray}`");
                    return Err(Refusal::new(message, "go on with `burst 100` or `by client`"));
                }
            };
        }
    }
}

fn unknown(path: &str, key: &str, node: &Node) -> Diagnostic {
    let names: Vec<&str> = FIELDS.iter().map(|field| field.name).collect();
    let mut diagnostic = crate::cursor::unknown_key(path, key, node, &names);
    if matches!(node.value, Value::Table(_)) {
        diagnostic.help = Some(format!("a path begins with a slash: `\"/{key}\" = {{ … }}`"));
    }
    diagnostic
}

fn host(text: &str) -> Result<String, Refusal> {
    let bare = text.strip_prefix("*.").unwrap_or(text);
    let label = |label: &str| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    if bare.len() <= 253 && bare.split('.').all(label) {
        return Ok(text.to_ascii_lowercase());
    }
    let help = if text.contains("://") || text.contains('/') {
        "write only the host: `www.example.com`"
    } else if text.contains(':') {
        "write the host without its port; the port is the listener's"
    } else if !text.is_ascii() {
        "write it as it travels, in Punycode: `xn--…`"
    } else {
        "write a host name: `www.example.com`, or `*.example.com`"
    };
    Err(Refusal::new(format!("`{text}` is not a host name"), help))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read() {
        let limit = Limit::parse("50/s burst 100 by client").unwrap();
        assert_eq!((limit.rate.count, limit.burst, limit.by), (50, 100, LimitBy::Client));
        assert_eq!(Limit::parse("5/m").unwrap().burst, 5);
        for wrong in ["", "50", "50/s burst", "50/s burst 0", "50/s by", "50/s by moon"] {
            assert!(Limit::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn hosts_are_names_without_port_or_scheme() {
        for good in ["example.com", "*.example.com", "localhost", "a-b.c1"] {
            assert!(host(good).is_ok(), "{good}");
        }
        for bad in ["", "http://a", "a:80", "a..b", "-a", "*", "a.*.b", "ä.de", "a_b"] {
            assert!(host(bad).is_err(), "{bad}");
        }
    }
}
