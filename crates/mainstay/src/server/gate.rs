//! What a request over the port must show before anything looks at it.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::{Problem, Server};
use crate::console;

/// The header that a form or a link of another page cannot set.
const OWN_HEADER: &str = "x-mainstay";

/// Lets a request through, or says why not; and adds what every answer carries.
pub(super) async fn gate(State(server): State<Server>, request: Request, next: Next) -> Response {
    let is_api = request.uri().path().starts_with("/api/");
    let mut response = match refusal(&server, &request) {
        Some(problem) => problem.into_response(),
        None => next.run(request).await,
    };
    let headers = response.headers_mut();
    let policy =
        if is_api { "default-src 'none'; frame-ancestors 'none'" } else { console::POLICY };
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, policy),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert("cross-origin-opener-policy", HeaderValue::from_static("same-origin"));
    headers.insert("cross-origin-resource-policy", HeaderValue::from_static("same-origin"));
    if is_api {
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    }
    response
}

fn refusal(server: &Server, request: &Request) -> Option<Problem> {
    let headers = request.headers();
    let port = server.session.port;
    let Some(host) = text(headers, header::HOST.as_str()).filter(|host| is_ours(host, port)) else {
        return Some(Problem::new(
            StatusCode::MISDIRECTED_REQUEST,
            "the request names a host that this is not",
        ));
    };
    if let Some(origin) = headers.get(header::ORIGIN)
        && origin.to_str().ok().and_then(|origin| origin.strip_prefix("http://")) != Some(host)
    {
        return Some(Problem::new(StatusCode::FORBIDDEN, "the request comes from another origin"));
    }
    let path = request.uri().path();
    let is_reading = matches!(*request.method(), Method::GET | Method::HEAD);
    if !path.starts_with("/api/") {
        let problem = || Problem::new(StatusCode::METHOD_NOT_ALLOWED, "the console is only read");
        return (!is_reading).then(problem);
    }
    if !is_reading && text(headers, OWN_HEADER) != Some("1") {
        let title = format!("the header `{OWN_HEADER}: 1` is missing");
        return Some(Problem::new(StatusCode::FORBIDDEN, title));
    }
    if path == "/api/session" || is_known(server, headers) {
        return None;
    }
    let problem = Problem::new(StatusCode::UNAUTHORIZED, "no session");
    Some(problem.detail("open the address that `mainstay status` prints"))
}

fn is_ours(host: &str, port: u16) -> bool {
    let Some((name, given)) = host.rsplit_once(':') else { return false };
    given.parse() == Ok(port) && matches!(name, "127.0.0.1" | "localhost" | "[::1]")
}

fn is_known(server: &Server, headers: &HeaderMap) -> bool {
    let bearer = text(headers, header::AUTHORIZATION.as_str())
        .and_then(|value| value.strip_prefix("Bearer "));
    let name = server.session.cookie_name();
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let cookie = cookies
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().split_once('='))
        .find(|(key, _)| *key == name)
        .map(|(_, value)| value);
    bearer.or(cookie).is_some_and(|offered| server.session.accepts(offered))
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// A file of the console; what is not in its table is nowhere.
pub(super) async fn asset(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    if uri.path().starts_with("/api/") {
        let title = format!("nothing is at {}", uri.path());
        return Problem::new(StatusCode::NOT_FOUND, title).into_response();
    }
    let Some(asset) = console::asset(uri.path()) else {
        return (StatusCode::NOT_FOUND, "nothing is here\n").into_response();
    };
    let keep = if asset.immutable { "public, max-age=31536000, immutable" } else { "no-cache" };
    let about = [
        (header::CONTENT_TYPE, asset.content_type),
        (header::ETAG, asset.etag),
        (header::CACHE_CONTROL, keep),
    ];
    if text(&headers, header::IF_NONE_MATCH.as_str()) == Some(asset.etag) {
        return (StatusCode::NOT_MODIFIED, about).into_response();
    }
    let body = if method == Method::HEAD { &[][..] } else { asset.body };
    (about, body).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_names_with_the_right_port_are_ours() {
        for host in ["127.0.0.1:7400", "localhost:7400", "[::1]:7400"] {
            assert!(is_ours(host, 7400), "{host}");
        }
        for host in ["127.0.0.1", "evil.example:7400", "localhost:80", "", ":7400", "localhost:x"] {
            assert!(!is_ours(host, 7400), "{host}");
        }
    }
}
