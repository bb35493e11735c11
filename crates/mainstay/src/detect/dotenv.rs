//! `.env` files: which variables are harmless, which are secrets, which are addresses.
//!
//! A doubtful variable is taken for a secret: one too many costs a command, one too few puts a
//! password into version control.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use base::Secret;

use super::compose::Composed;
use super::{Found, FoundService, Place, mentions, stores};

const NAMES: &[&str] = &[".env", ".env.local", ".env.development", ".env.example", ".env.sample"];

/// Words in a name that make it a secret's.
const SECRET_WORDS: &[&str] = &[
    "SECRET",
    "SECRETS",
    "PASSWORD",
    "PASSWD",
    "PASS",
    "PASSPHRASE",
    "PWD",
    "TOKEN",
    "KEY",
    "APIKEY",
    "PRIVATE",
    "CREDENTIAL",
    "CREDENTIALS",
    "DSN",
    "AUTH",
    "SALT",
    "PEPPER",
    "SIGNING",
    "WEBHOOK",
    "CERT",
    "LICENSE",
];

/// Words in a name that make it harmless although another word does not.
const HARMLESS_PREFIXES: &[&str] = &["NEXT_PUBLIC_", "VITE_", "PUBLIC_", "REACT_APP_"];

/// What a variable is.
#[derive(Debug)]
pub(super) enum Meaning {
    /// Stands in the manifest, escaped.
    Plain(String),
    /// A secret, and its value where one is known.
    Secret(Option<Secret>),
    /// The address of a database that has to be there: `postgres` or `redis`.
    Store(&'static str),
    /// Set by Mainstay, or not usable.
    Left,
}

pub(super) fn detect(root: &Path, directories: &[PathBuf], composed: &Composed, found: &mut Found) {
    for directory in directories {
        let place = Place { root, directory };
        for file in NAMES {
            let Some(text) = place.read(file) else { continue };
            let is_example = file.ends_with("example") || file.ends_with("sample");
            for (name, value) in variables(&text) {
                let owners = owners(&place, &name, found);
                if owners.is_empty() {
                    let source = place.source(file);
                    found.notes.push(format!(
                        "`{name}` of {source} is used by no service and was left out"
                    ));
                    continue;
                }
                give(&name, (&value, is_example), &owners, composed, found);
            }
        }
    }
}

/// The services a variable is for: those in the directory; for the project's own file, those whose
/// sources mention it, or the only one.
fn owners(place: &Place<'_>, name: &str, found: &Found) -> Vec<usize> {
    let here = place.relative();
    let inside = |service: &FoundService| {
        here == "."
            || service.sources() == here
            || service.sources().starts_with(&format!("{here}/"))
    };
    let candidates: Vec<usize> = (0..found.services.len())
        .filter(|index| found.services.get(*index).is_some_and(inside))
        .collect();
    if candidates.len() <= 1 {
        return candidates;
    }
    let mentioned = |index: &usize| {
        found
            .services
            .get(*index)
            .is_some_and(|service| mentions::mentions(&place.root.join(service.sources()), name))
    };
    candidates.into_iter().filter(mentioned).collect()
}

fn give(
    name: &str,
    (value, is_example): (&str, bool),
    owners: &[usize],
    composed: &Composed,
    found: &mut Found,
) {
    let known: BTreeSet<String> = found.stores.iter().map(|store| store.name.clone()).collect();
    let mut meaning = meaning(name, value, composed, &known);
    if let Meaning::Store(engine) = meaning {
        let store = stores::ensure(found, engine, ".env");
        meaning = Meaning::Plain(format!("@{store}"));
    }
    if let Meaning::Secret(value) = &mut meaning
        && let Some(value) = value.take().filter(|_| !is_example)
    {
        found.secrets.entry(name.to_owned()).or_insert(value);
    }
    for owner in owners {
        let Some(service) = found.services.get_mut(*owner) else { continue };
        if service.env.contains_key(name) || service.secrets.contains(name) {
            continue;
        }
        match &meaning {
            Meaning::Plain(value) => {
                service.env.insert(name.to_owned(), value.clone());
            }
            Meaning::Secret(_) => {
                service.secrets.insert(name.to_owned());
            }
            Meaning::Store(_) | Meaning::Left => {}
        }
    }
}

/// What a variable is, by its name and value.
pub(super) fn meaning(
    name: &str,
    value: &str,
    composed: &Composed,
    stores: &BTreeSet<String>,
) -> Meaning {
    if !manifest::names::is_variable(name) || matches!(name, "PORT" | "HOST" | "HOSTNAME") {
        return Meaning::Left;
    }
    let secret = |value: &str| {
        let known = !value.is_empty() && !value.contains("${") && trust::is_secret_name(name);
        Meaning::Secret(known.then(|| Secret::new(value.to_owned())))
    };
    let secret_or_left = |value: &str| {
        if trust::is_secret_name(name) { secret(value) } else { Meaning::Left }
    };
    if let Some((scheme, rest)) = value.split_once("://") {
        let host = rest.rsplit('@').next().unwrap_or(rest);
        let host = host.split(['/', ':', '?']).next().unwrap_or_default();
        if let Some(section) = composed.sections.get(host) {
            // Prefixes and paths are lost in an address; then it is no address.
            let is_bare =
                scheme.starts_with("http") && rest.trim_end_matches('/').split('/').count() == 1;
            if stores.contains(section) || is_bare {
                return Meaning::Plain(format!("@{section}"));
            }
        }
        let local =
            matches!(host, "localhost" | "127.0.0.1" | "db" | "postgres" | "redis" | "cache");
        match scheme {
            "postgres" | "postgresql" if local => return Meaning::Store("postgres"),
            "redis" if local => return Meaning::Store("redis"),
            _ if rest.split('/').next().is_some_and(|authority| authority.contains('@')) => {
                return secret_or_left(value);
            }
            _ => {}
        }
    }
    if is_secret(name, value) {
        return secret_or_left(value);
    }
    if value.contains("${") {
        return match value.split_once(":-").and_then(|(_, rest)| rest.strip_suffix('}')) {
            Some(default) if value.starts_with("${") => Meaning::Plain(escape(default)),
            _ => Meaning::Left,
        };
    }
    Meaning::Plain(escape(value))
}

fn is_secret(name: &str, value: &str) -> bool {
    let upper = name.to_ascii_uppercase();
    if HARMLESS_PREFIXES.iter().any(|prefix| upper.starts_with(prefix)) {
        return false;
    }
    upper.split('_').any(|word| SECRET_WORDS.contains(&word)) || looks_random(value)
}

/// Long, without spaces, of letters and digits mixed: more likely a token than a word.
fn looks_random(value: &str) -> bool {
    let mixed = value.bytes().any(|b| b.is_ascii_digit())
        && value.bytes().any(|b| b.is_ascii_alphabetic())
        && value.bytes().all(|b| b.is_ascii_alphanumeric() || b"+/=_-".contains(&b));
    24 <= value.len() && mixed
}

/// The first character decides in the manifest; one that stands for itself is doubled.
fn escape(value: &str) -> String {
    match value.chars().next() {
        Some(first @ ('@' | '$')) => format!("{first}{value}"),
        _ => value.to_owned(),
    }
}

/// `NAME=value` lines, with or without `export` and quotes.
fn variables(text: &str) -> Vec<(String, String)> {
    let mut all = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        let line = line.strip_prefix("export ").unwrap_or(line);
        let Some((name, value)) = line.split_once('=') else { continue };
        let value = value.trim();
        let quoted = |quote| value.strip_prefix(quote)?.split(quote).next();
        let value = match quoted('"').or_else(|| quoted('\'')) {
            Some(inside) => inside,
            None => value.split(" #").next().unwrap_or(value).trim_end(),
        };
        all.push((name.trim().to_owned(), value.to_owned()));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(name: &str, value: &str, expected: &str) {
        let composed = Composed {
            sections: [("db".to_owned(), "db".to_owned()), ("api".to_owned(), "api".to_owned())]
                .into(),
        };
        let stores = BTreeSet::from(["db".to_owned()]);
        let meaning = match meaning(name, value, &composed, &stores) {
            Meaning::Plain(value) => value,
            Meaning::Secret(Some(_)) => "secret".to_owned(),
            Meaning::Secret(None) => "secret?".to_owned(),
            Meaning::Store(engine) => format!("store {engine}"),
            Meaning::Left => "left".to_owned(),
        };
        assert_eq!(meaning, expected, "{name}={value}");
    }

    #[test]
    fn secrets_are_told_from_settings() {
        check("LOG_LEVEL", "debug", "debug");
        check("JWT_SECRET", "x", "secret");
        check("STRIPE_API_KEY", "", "secret?");
        check("SESSION", "b7d3c0ffee11223344556677", "secret");
        check("NEXT_PUBLIC_MAPS_KEY", "abc", "abc");
        check("MONKEY", "business", "business");
        check("SMTP", "smtp://user:pw@mail.example.com", "secret");
        check("PORT", "80", "left");
        check("GREETING", "$5", "$$5");
        check("bad-name", "x", "left");
        check("LEVEL", "${LEVEL:-info}", "info");
        check("LEVEL", "${LEVEL}", "left");
        check("API_TOKEN", "${API_TOKEN}", "secret?");
    }

    #[test]
    fn addresses_become_references() {
        check("DATABASE_URL", "postgres://u:p@db:5432/app", "@db");
        check("API_URL", "http://api:8080", "@api");
        check("API_URL", "http://api:8080/v1", "http://api:8080/v1");
        check("REDIS_URL", "redis://localhost:6379", "store redis");
        check("DATABASE_URL", "postgres://u:p@prod.example.com/app", "secret");
    }

    #[test]
    fn lines_are_read_as_shells_and_libraries_do() {
        let text = "# c\nexport A=1\nB = \"x # y\"\nC='z'\nD=w # comment\nE=\nnonsense\n";
        let expected = [("A", "1"), ("B", "x # y"), ("C", "z"), ("D", "w"), ("E", "")];
        assert_eq!(variables(text), expected.map(|(n, v)| (n.to_owned(), v.to_owned())));
    }
}
