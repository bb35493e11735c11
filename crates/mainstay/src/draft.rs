//! Writes a manifest from what was found in a directory, for people to read and go on from.
//!
//! Text rather than a serialised value: comments say where each line comes from, and lines stand
//! as a person would write them. No secret's value ever gets here; only names do.

use std::fmt::Write as _;
use std::path::Path;

use crate::detect::{self, Found, FoundBuild, FoundService, FoundStore, Serves};

/// The port that is listened on when no file publishes another.
const DEFAULT_PORT: u16 = 8000;

/// An inline table longer than this is written as a line per key.
const LONGEST_INLINE: usize = 84;

/// The manifest's text.
pub(crate) fn draft(root: &Path, found: &Found) -> String {
    let mut out = String::from(
        "# Written by `mainstay init` from what is in this directory. Look it over, then:\n\
         #   mainstay check    every mistake at once\n\
         #   mainstay up       bring it up\n",
    );
    let _infallible = writeln!(out, "format = 1\napp    = {}", quoted(&found.app));
    let order = ordered(&found.services);
    for service in &order {
        write_service(&mut out, root, service, found);
    }
    if found.services.is_empty() {
        out.push_str(NO_SERVICE);
    }
    for store in &found.stores {
        write_store(&mut out, store);
    }
    write_routes(&mut out, root, found, &order);
    write_secrets(&mut out, found);
    out.push_str("\n[env.dev]\nwatch = true    # rebuild and restart what changes\n");
    if !found.notes.is_empty() {
        out.push_str("\n# Seen and left out:\n");
        for note in &found.notes {
            let _infallible = writeln!(out, "# - {}", comment(note));
        }
    }
    out
}

const NO_SERVICE: &str = "
# Nothing was found that could run. A service is a build or a command line:
#
# [service.api]
# build = { kind = \"cargo\", path = \"api\", bin = \"api\" }
# probe = { readiness = \"/health\" }
";

/// What answers programs first, then what answers browsers, then workers.
fn ordered(services: &[FoundService]) -> Vec<&FoundService> {
    let rank = |service: &&FoundService| match service.serves {
        Serves::Requests => 0,
        Serves::Pages => 1,
        Serves::Nothing => 2,
    };
    let mut order: Vec<&FoundService> = services.iter().collect();
    order.sort_by_key(rank);
    order
}

fn write_service(out: &mut String, root: &Path, service: &FoundService, found: &Found) {
    let _infallible = writeln!(out, "\n# From {}.", comment(&service.source));
    for line in &service.comments {
        let _infallible = writeln!(out, "# {}", comment(line));
    }
    if service.serves == Serves::Nothing {
        out.push_str("# No route leads to it: a worker. Add one below if it answers requests.\n");
    }
    let _infallible = writeln!(out, "[service.{}]", service.name);
    write_build(out, service);
    let mut env = service.env.clone();
    if service.serves == Serves::Pages
        && let Some(api) = found.services.iter().find(|other| other.serves == Serves::Requests)
    {
        for name in ["API_URL", "API_BASE_URL", "BACKEND_URL"] {
            let is_free = !env.contains_key(name) && !service.secrets.contains(name);
            if is_free && detect::speaks_of(root, service, name) {
                env.insert(name.to_owned(), format!("@{}", api.name));
            }
        }
    }
    let pairs: Vec<String> =
        env.iter().map(|(name, value)| format!("{name} = {}", quoted(value))).collect();
    let inline = format!("env     = {{ {} }}", pairs.join(", "));
    if inline.len() <= LONGEST_INLINE && !pairs.is_empty() {
        let _infallible = writeln!(out, "{inline}");
    } else {
        for pair in &pairs {
            let _infallible = writeln!(out, "env.{pair}");
        }
    }
    if !service.secrets.is_empty() {
        let names: Vec<String> = service.secrets.iter().map(|name| quoted(name)).collect();
        let _infallible = writeln!(out, "secrets = [{}]", names.join(", "));
    }
    if service.serves != Serves::Nothing
        && let Some(path) = health_path(root, service)
    {
        let _infallible = writeln!(out, "probe   = {{ readiness = {} }}", quoted(path));
    }
}

fn write_build(out: &mut String, service: &FoundService) {
    let mut parts = Vec::new();
    let kind = match &service.build {
        FoundBuild::Cargo { bin, package, .. } => {
            parts.push(format!("bin = {}", quoted(bin)));
            parts.extend(package.as_ref().map(|package| format!("package = {}", quoted(package))));
            "cargo"
        }
        FoundBuild::Nextjs => "nextjs",
        FoundBuild::Npm { start, build } => {
            if start != "start" {
                parts.push(format!("start = {}", quoted(start)));
            }
            parts.extend(build.as_ref().map(|build| format!("build = {}", quoted(build))));
            "npm"
        }
        FoundBuild::Maven { jar } => {
            parts.push(format!("jar = {}", quoted(jar)));
            "maven"
        }
        FoundBuild::Run { command } => {
            let _infallible = writeln!(out, "run     = {}", quoted(command));
            if service.directory != "." {
                let _infallible = writeln!(out, "dir     = {}", quoted(&service.directory));
            }
            return;
        }
    };
    if service.directory != "." {
        parts.insert(0, format!("path = {}", quoted(&service.directory)));
    }
    parts.insert(0, format!("kind = {}", quoted(kind)));
    let _infallible = writeln!(out, "build   = {{ {} }}", parts.join(", "));
}

fn write_store(out: &mut String, store: &FoundStore) {
    let section = if store.engine == "redis" { "cache" } else { "database" };
    let _infallible = writeln!(out, "\n# From {}.", comment(&store.source));
    if let Some(version) = &store.version {
        let _infallible = writeln!(
            out,
            "# Version {version} is named there; add `version = {}` to insist on it.",
            quoted(version)
        );
    }
    let _infallible =
        writeln!(out, "[{section}.{}]\nengine = {}", store.name, quoted(store.engine));
    let optional = [
        ("database", store.database.as_deref().filter(|name| is_plain(name))),
        ("user", store.user.as_deref().filter(|name| is_plain(name))),
    ];
    for (key, value) in optional {
        if let Some(value) = value.filter(|_| store.engine == "postgres") {
            let _infallible = writeln!(out, "{key} = {}", quoted(value));
        }
    }
    if let Some(path) = &store.migrations {
        let _infallible = writeln!(out, "migrations = {{ path = {} }}", quoted(path));
    }
}

/// A name that PostgreSQL takes without quotes; `postgres` itself belongs to Mainstay.
fn is_plain(name: &str) -> bool {
    name != "postgres"
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

fn write_routes(out: &mut String, root: &Path, found: &Found, order: &[&FoundService]) {
    let serving: Vec<&&FoundService> =
        order.iter().filter(|service| service.serves != Serves::Nothing).collect();
    if serving.is_empty() {
        return;
    }
    // A port below 1024 needs root, which development does without.
    let port = found.published.filter(|port| 1024 <= *port).unwrap_or(DEFAULT_PORT);
    let _infallible =
        writeln!(out, "\n[listener.web]\naddress = \"127.0.0.1:{port}\"\n\n[route.app]");
    let front = serving.iter().rev().find(|service| service.serves == Serves::Pages);
    let front = front.or(serving.first()).map(|service| service.name.clone());
    let pages_have_api = serving.iter().any(|service| {
        let own = ["app/api", "pages/api", "src/app/api", "src/pages/api"];
        service.serves == Serves::Pages
            && own.iter().any(|path| root.join(&service.directory).join(path).is_dir())
    });
    let mut lines = Vec::new();
    for (index, service) in serving.iter().enumerate() {
        if front.as_ref() == Some(&service.name) {
            lines.push(format!("\"/\" = {{ to = {} }}", quoted(&service.name)));
            continue;
        }
        let is_api = index == 0 && !pages_have_api;
        let path = if is_api { "/api/".to_owned() } else { format!("/{}/", service.name) };
        let bare = path.trim_end_matches('/');
        let strip = if detect::speaks_of(root, service, bare) { "" } else { ", strip = true" };
        lines.push(format!("{} = {{ to = {}{strip} }}", quoted(&path), quoted(&service.name)));
    }
    lines.sort_by_key(|line| line.len());
    for line in lines {
        let _infallible = writeln!(out, "{line}");
    }
}

fn write_secrets(out: &mut String, found: &Found) {
    let mut names: Vec<&String> =
        found.services.iter().flat_map(|service| &service.secrets).collect();
    names.sort();
    names.dedup();
    if names.is_empty() {
        return;
    }
    out.push_str(
        "\n# Values are set with `mainstay secret set NAME` and never stand here.\n[secret]\n",
    );
    for name in names {
        let declared = if !found.secrets.contains_key(name) && is_ours(name) {
            "{ generate = \"32 bytes\" }"
        } else {
            "{}"
        };
        let _infallible = writeln!(out, "{name} = {declared}");
    }
}

/// Whether any random value would do, since nobody else has to know it.
fn is_ours(name: &str) -> bool {
    let words: Vec<&str> = name.split('_').collect();
    let ours = ["JWT", "SESSION", "COOKIE", "CSRF", "SIGNING", "ENCRYPTION", "NEXTAUTH", "APP"];
    words.iter().any(|word| ours.contains(word))
        || matches!(words.as_slice(), ["SECRET"] | ["SECRET", "KEY"] | ["SECRET", "KEY", "BASE"])
}

fn health_path(root: &Path, service: &FoundService) -> Option<&'static str> {
    let known = ["/ready", "/readyz", "/health", "/healthz", "/api/health", "/actuator/health"];
    if service.build == FoundBuild::Nextjs {
        let below = root.join(&service.directory);
        let is_there = ["app/api/health", "src/app/api/health", "pages/api/health.ts"];
        return is_there.iter().any(|path| below.join(path).exists()).then_some("/api/health");
    }
    known.into_iter().find(|path| detect::speaks_of(root, service, path))
}

/// One line of a comment, whatever a file's name holds.
fn comment(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Text as a TOML string.
fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => {
                let _infallible = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quoted_text_reads_back() {
        for text in ["", "plain", "a\"b\\c\nd\te\u{7}", "ä🦀"] {
            let table: toml::Table = format!("x = {}", quoted(text)).parse().unwrap();
            assert_eq!(table.get("x").and_then(toml::Value::as_str), Some(text));
        }
    }

    #[test]
    fn a_secret_of_our_own_is_generated_and_somebody_elses_is_not() {
        for ours in ["JWT_SECRET", "SESSION_KEY", "SECRET_KEY_BASE", "SECRET"] {
            assert!(is_ours(ours), "{ours}");
        }
        for theirs in ["STRIPE_API_KEY", "SMTP_PASSWORD", "GITHUB_TOKEN", "AWS_SECRET_ACCESS_KEY"] {
            assert!(!is_ours(theirs), "{theirs}");
        }
    }
}
