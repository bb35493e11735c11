//! The gateway's own answers: for a browser, for a program, for a terminal.
//!
//! They say which service is concerned and why, carry the request's id, and nothing of what the
//! client sent, so there is nothing to escape.

use crate::digits::push_decimal;
use crate::failure::{self, Cause, Failure};
use crate::forward::{write_persistence, write_status};
use crate::http1::{Field, Persistence, RequestHead, Version};
use crate::shard::Shard;

/// The form that the client would like best.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Form {
    Html,
    Json,
    #[default]
    Text,
}

impl Form {
    /// The form that a request asks for.
    pub(crate) fn of(head: &RequestHead<'_, '_>) -> Self {
        let mut form = Self::Text;
        for (kind, _, value) in head.fields() {
            if kind == Field::Accept {
                if contains(value, b"text/html") {
                    return Self::Html;
                }
                if contains(value, b"/json") || contains(value, b"+json") {
                    form = Self::Json;
                }
            }
        }
        form
    }

    const fn media_type(self) -> &'static str {
        match self {
            Self::Html => "text/html; charset=utf-8",
            Self::Json => "application/problem+json",
            Self::Text => "text/plain; charset=utf-8",
        }
    }
}

fn contains(value: &[u8], needle: &[u8]) -> bool {
    value.windows(needle.len()).any(|window| window.eq_ignore_ascii_case(needle))
}

/// Whether the answer's body is sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Body {
    Sent,
    /// To HEAD.
    Omitted,
}

/// How to address the client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Addressee<'a> {
    pub(crate) form: Form,
    pub(crate) body: Body,
    pub(crate) version: Version,
    pub(crate) persistence: Persistence,
    pub(crate) request_id: &'a [u8],
}

/// Writes the answer to a failure; `service` is empty when none is concerned.
pub(crate) fn write_failure(
    out: &mut Vec<u8>,
    shard: &Shard,
    to: &Addressee<'_>,
    (failure, service): (Failure, &str),
) {
    let status = failure.status();
    let title = failure::title(status);
    let sentence = failure.sentence(service);
    let id = String::from_utf8_lossy(to.request_id);
    let content = match to.form {
        Form::Html => html(status, title, &sentence, &id),
        Form::Json => {
            let mut problem = serde_json::json!({
                "type": "about:blank",
                "title": title,
                "status": status,
                "detail": sentence,
                "request_id": id,
                "cause": failure.cause().label(),
            });
            if !service.is_empty()
                && let Some(members) = problem.as_object_mut()
            {
                members.insert("service".to_owned(), service.into());
            }
            problem.to_string()
        }
        Form::Text => format!("{status} {title}\n\n{sentence}\nRequest {id}\n"),
    };
    write_status(out, status, title);
    if status == 503 {
        out.extend_from_slice(b"Retry-After: 1\r\n");
    }
    if failure.cause() != Cause::Client {
        out.extend_from_slice(b"Cache-Control: no-store\r\n");
    }
    write_rest(out, shard, to, (to.form.media_type(), content.as_bytes()));
}

/// Writes a page of ours.
pub(crate) fn write_page(
    out: &mut Vec<u8>,
    shard: &Shard,
    to: &Addressee<'_>,
    (media_type, content): (&str, &[u8]),
) {
    write_status(out, 200, "OK");
    write_rest(out, shard, to, (media_type, content));
}

/// Writes what `OPTIONS *` gets: the server itself answers.
pub(crate) fn write_options(out: &mut Vec<u8>, shard: &Shard, to: &Addressee<'_>) {
    write_status(out, 204, "No Content");
    out.extend_from_slice(b"Allow: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\nDate: ");
    shard.push_date(out);
    out.extend_from_slice(b"\r\n");
    write_persistence(out, to.version, to.persistence);
    out.extend_from_slice(b"\r\n");
}

fn write_rest(
    out: &mut Vec<u8>,
    shard: &Shard,
    to: &Addressee<'_>,
    (media_type, content): (&str, &[u8]),
) {
    out.extend_from_slice(b"Content-Type: ");
    out.extend_from_slice(media_type.as_bytes());
    out.extend_from_slice(b"\r\nContent-Length: ");
    push_decimal(out, content.len() as u64);
    out.extend_from_slice(b"\r\nDate: ");
    shard.push_date(out);
    out.extend_from_slice(b"\r\nX-Request-Id: ");
    out.extend_from_slice(to.request_id);
    out.extend_from_slice(b"\r\n");
    write_persistence(out, to.version, to.persistence);
    out.extend_from_slice(b"\r\n");
    if to.body == Body::Sent {
        out.extend_from_slice(content);
    }
}

fn html(status: u16, title: &str, sentence: &str, id: &str) -> String {
    let sentence = sentence.replace('&', "&amp;").replace('<', "&lt;");
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{status} {title}</title>\n\
         <style>\n\
         body {{ margin: 0; min-height: 100vh; display: grid; place-items: center;\n\
         \x20 font: 1rem/1.6 system-ui, sans-serif; color: light-dark(#1f2328, #e6edf3);\n\
         \x20 background: light-dark(#fafafa, #0d1117); }}\n\
         main {{ max-width: 34rem; padding: 2rem; }}\n\
         p.code {{ margin: 0; font-size: .875rem; letter-spacing: .08em;\n\
         \x20 color: light-dark(#59636e, #9198a1); }}\n\
         h1 {{ margin: .25rem 0 1rem; font-size: 1.5rem; font-weight: 600; }}\n\
         code {{ font: .8125rem ui-monospace, monospace; overflow-wrap: anywhere;\n\
         \x20 color: light-dark(#59636e, #9198a1); }}\n\
         </style>\n</head>\n<body>\n<main>\n<p class=\"code\">{status}</p>\n<h1>{title}</h1>\n\
         <p>{sentence}</p>\n<p><code>Request {id}</code></p>\n</main>\n</body>\n</html>\n"
    )
}
