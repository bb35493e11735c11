//! Compose files: databases from images, variables and published ports of services.

use std::collections::{BTreeMap, BTreeSet};

use super::dotenv::{self, Meaning};
use super::yaml::Yaml;
use super::{Found, FoundService, FoundStore, Place, Serves};

const NAMES: &[&str] =
    &["compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"];

/// What the other readers of variables should know of the Compose file.
#[derive(Debug, Default)]
pub(super) struct Composed {
    /// The name of each of its services, and that of the section it became.
    pub(super) sections: BTreeMap<String, String>,
}

pub(super) fn detect(place: &Place<'_>, found: &mut Found) -> Composed {
    let mut composed = Composed::default();
    let Some((file, text)) = NAMES.iter().find_map(|name| Some((*name, place.read(name)?))) else {
        return composed;
    };
    let document = Yaml::parse(&text);
    let Some(services) = document.get("services") else { return composed };
    for (name, service) in services.entries() {
        let image = service.get("image").and_then(Yaml::text);
        if let Some(store) = image.and_then(|image| store(name, image, service, file)) {
            composed.sections.insert(name.clone(), store.name.clone());
            found.stores.push(store);
        } else if let Some(index) = built_here(name, service, &found.services) {
            if let Some(known) = found.services.get(index) {
                composed.sections.insert(name.clone(), known.name.clone());
            }
        } else {
            let what = image.map_or_else(String::new, |image| format!(" (image `{image}`)"));
            found
                .notes
                .push(format!("`{name}` of {file}{what} has no counterpart here and was left out"));
        }
    }
    for (name, service) in services.entries() {
        let Some(section) = composed.sections.get(name) else { continue };
        let published = published(service);
        let Some(index) = found.services.iter().position(|known| known.name == *section) else {
            continue;
        };
        if let Some(known) = found.services.get_mut(index)
            && published.is_some()
            && known.serves == Serves::Nothing
        {
            known.serves = Serves::Requests;
        }
        let pages = found.services.get(index).is_some_and(|known| known.serves == Serves::Pages);
        if pages || found.published.is_none() {
            found.published = published.or(found.published);
        }
        variables(service, index, &composed, found);
    }
    composed
}

/// Images that stand for a database which Mainstay can run itself.
fn store(name: &str, image: &str, service: &Yaml, file: &str) -> Option<FoundStore> {
    let (path, tag) = image.rsplit_once(':').unwrap_or((image, ""));
    let base = path.rsplit('/').next().unwrap_or(path);
    let engine = match base {
        "postgres" | "postgresql" | "postgis" | "timescaledb" => "postgres",
        "redis" | "valkey" => "redis",
        _ => return None,
    };
    let major: String = tag.chars().take_while(char::is_ascii_digit).collect();
    let variable = |key: &str| {
        let value = environment(service).into_iter().find(|(name, _)| name == key)?.1;
        let value = value.filter(|value| !value.contains('$') && !value.is_empty())?;
        Some(value)
    };
    Some(FoundStore {
        name: manifest::names::as_name(name)?,
        engine,
        version: (!major.is_empty() && base != "valkey").then_some(major),
        database: variable("POSTGRES_DB").or_else(|| variable("POSTGRESQL_DATABASE")),
        user: variable("POSTGRES_USER").or_else(|| variable("POSTGRESQL_USERNAME")),
        migrations: None,
        source: file.to_owned(),
    })
}

/// The service found in the directory it is built from, or of its name.
fn built_here(name: &str, service: &Yaml, known: &[FoundService]) -> Option<usize> {
    let build = service.get("build")?;
    let context = build.text().or_else(|| build.get("context").and_then(Yaml::text)).unwrap_or(".");
    let directory = context.trim_start_matches("./").trim_end_matches('/');
    let directory = if directory.is_empty() { "." } else { directory };
    let in_directory =
        |service: &FoundService| service.sources() == directory || service.directory == directory;
    let as_name = manifest::names::as_name(name)?;
    known
        .iter()
        .position(|known| known.name == as_name)
        .or_else(|| known.iter().position(in_directory))
}

/// `environment` in both of its forms.
fn environment(service: &Yaml) -> Vec<(String, Option<String>)> {
    let Some(environment) = service.get("environment") else { return Vec::new() };
    let from_map = environment
        .entries()
        .iter()
        .map(|(name, value)| (name.clone(), value.text().map(str::to_owned)));
    let from_list = environment.items().iter().filter_map(Yaml::text).map(|item| {
        let (name, value) = item.split_once('=').map_or((item, None), |(n, v)| (n, Some(v)));
        (name.to_owned(), value.map(str::to_owned))
    });
    from_map.chain(from_list).collect()
}

/// The first port that is published on the host.
fn published(service: &Yaml) -> Option<u16> {
    service.get("ports")?.items().iter().find_map(|port| match port {
        Yaml::Map(_) => port.get("published")?.text()?.parse().ok(),
        Yaml::Text(text) => {
            let parts: Vec<&str> = text.split('/').next().unwrap_or_default().split(':').collect();
            match parts.as_slice() {
                [host, _inside] | [_, host, _inside] => host.parse().ok(),
                _ => None,
            }
        }
        Yaml::Nothing | Yaml::List(_) => None,
    })
}

fn variables(service: &Yaml, index: usize, composed: &Composed, found: &mut Found) {
    let stores: BTreeSet<String> = found.stores.iter().map(|store| store.name.clone()).collect();
    for (name, value) in environment(service) {
        let meaning = dotenv::meaning(&name, value.as_deref().unwrap_or("${}"), composed, &stores);
        let Some(known) = found.services.get_mut(index) else { return };
        match meaning {
            Meaning::Plain(value) => {
                known.env.insert(name, value);
            }
            Meaning::Secret(value) => {
                known.secrets.insert(name.clone());
                if let Some(value) = value {
                    found.secrets.insert(name, value);
                }
            }
            // A database that the file does not start, or what Mainstay sets itself.
            Meaning::Store(_) | Meaning::Left => {}
        }
    }
}
