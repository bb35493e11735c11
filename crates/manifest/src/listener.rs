//! `[listener.NAME]`: an address on which the gateway answers.

use std::net::SocketAddr;

use base::{Span, Spanned};

use crate::cursor::{Cursor, Refusal};
use crate::field::{Field, Section, Shape, Syntax};

/// An address on which the gateway answers.
#[derive(Clone, Debug, PartialEq)]
pub struct Listener {
    /// As in the header.
    pub name: Spanned<String>,
    /// Where it answers.
    pub address: Spanned<SocketAddr>,
    /// How it encrypts, if it does.
    pub tls: Option<Spanned<Tls>>,
    /// Another address whose requests are sent to this one.
    pub redirect: Option<Spanned<SocketAddr>>,
    /// Where the section is named.
    pub span: Span,
}

/// Where a listener's certificates come from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Tls {
    /// A public authority, by the ACME protocol.
    Acme,
    /// The authority of this installation.
    Internal,
}

/// The keys of `[listener.NAME]`.
pub static FIELDS: &[Field] = &[
    Field::new(
        "address",
        Syntax::Form("an IP address, a colon and a port"),
        "Where the gateway answers.",
    )
    .example("\"127.0.0.1:8000\"")
    .required(),
    Field::new(
        "tls",
        Syntax::Choice(&["acme", "internal"]),
        "Where its certificates come from; left out: it does not encrypt.",
    )
    .example("\"acme\""),
    Field::new(
        "redirect",
        Syntax::Form("an IP address, a colon and a port"),
        "Another address whose requests are sent to this one.",
    )
    .example("\"0.0.0.0:80\""),
];

/// `[listener.NAME]`.
pub static SECTION: Section = Section {
    name: "listener",
    about: "An address on which the gateway answers. Without any, one is opened on a free port \
        of this machine's loopback.",
    shape: Shape::Named(FIELDS),
    example: "[listener.web]\naddress = \"127.0.0.1:8000\"",
};

impl Listener {
    pub(crate) fn read(name: Spanned<String>, mut cursor: Cursor<'_>) -> Option<Self> {
        cursor.require_all();
        let span = name.span;
        let tls = cursor.choice("tls", &[("acme", Tls::Acme), ("internal", Tls::Internal)]);
        let redirect = cursor.read("redirect", socket_address);
        Some(Self { address: cursor.read("address", socket_address)?, name, tls, redirect, span })
    }
}

fn socket_address(text: &str) -> Result<SocketAddr, Refusal> {
    if let Ok(address) = text.parse::<SocketAddr>() {
        if address.port() == 0 {
            let message = format!("`{text}` has no port");
            return Err(Refusal::new(message, "write a port from 1 to 65535; others must know it"));
        }
        return Ok(address);
    }
    let port = text.rsplit(':').next().and_then(|port| port.parse::<u16>().ok());
    let help = match port {
        Some(port) if text.starts_with("localhost") => format!("write `127.0.0.1:{port}`"),
        Some(port) if text.trim_start_matches("*").starts_with(':') || text == port.to_string() => {
            format!(
                "write `127.0.0.1:{port}` for this machine only, `0.0.0.0:{port}` for every network"
            )
        }
        _ => "write an IP address, a colon and a port: `127.0.0.1:8000`".to_owned(),
    };
    Err(Refusal::new(format!("`{text}` is not an address to listen on"), help))
}
