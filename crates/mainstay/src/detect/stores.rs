//! Databases that the sources speak of although no Compose file starts them, and their migrations.

use std::path::{Path, PathBuf};

use super::{Found, FoundStore, Place, mentions, relative};

/// Variables that are the address of a database by convention.
const CONVENTIONS: &[(&str, &str)] = &[("DATABASE_URL", "postgres"), ("REDIS_URL", "redis")];

pub(super) fn detect(root: &Path, directories: &[PathBuf], found: &mut Found) {
    for (variable, engine) in CONVENTIONS {
        for index in 0..found.services.len() {
            let Some(service) = found.services.get(index) else { continue };
            let known = service.env.contains_key(*variable) || service.secrets.contains(*variable);
            let sources = service.sources().to_owned();
            if known || !mentions::mentions(&root.join(&sources), variable) {
                continue;
            }
            // Only a driver for the engine tells that the address is one of its kind.
            let place = Place { root, directory: &root.join(&sources) };
            if !uses(&place, engine) {
                continue;
            }
            let name = ensure(found, engine, &format!("{sources} reads {variable}"));
            if let Some(service) = found.services.get_mut(index) {
                service.env.insert((*variable).to_owned(), format!("@{name}"));
            }
        }
    }
    migrations(root, directories, found);
}

/// The name of a database of this engine, which is added if there is none.
pub(super) fn ensure(found: &mut Found, engine: &'static str, source: &str) -> String {
    if let Some(store) = found.stores.iter().find(|store| store.engine == engine) {
        return store.name.clone();
    }
    let name = if engine == "redis" { "cache" } else { "db" };
    let taken = |name: &str| {
        found.services.iter().any(|service| service.name == name)
            || found.stores.iter().any(|store| store.name == name)
    };
    let name = if taken(name) { engine } else { name };
    found.stores.push(FoundStore {
        name: name.to_owned(),
        engine,
        version: None,
        database: None,
        user: None,
        migrations: None,
        source: source.to_owned(),
    });
    name.to_owned()
}

fn uses(place: &Place<'_>, engine: &str) -> bool {
    let words: &[&str] = if engine == "redis" {
        &["redis", "ioredis", "fred", "deadpool-redis", "jedis", "lettuce", "bullmq"]
    } else {
        &[
            "sqlx",
            "diesel",
            "tokio-postgres",
            "postgres",
            "sea-orm",
            "deadpool-postgres",
            "pg",
            "@prisma/client",
            "drizzle-orm",
            "typeorm",
            "knex",
            "postgresql",
            "psycopg",
        ]
    };
    ["Cargo.toml", "package.json", "pom.xml", "requirements.txt"].iter().any(|file| {
        let Some(text) = place.read(file) else { return false };
        let is_part = |c: char| !(c.is_ascii_alphanumeric() || "-_@/".contains(c));
        text.split(is_part).any(|word| words.contains(&word))
    })
}

/// A directory of `NNN_name.up.sql` files belongs to the first PostgreSQL.
fn migrations(root: &Path, directories: &[PathBuf], found: &mut Found) {
    let Some(store) = found.stores.iter_mut().find(|store| store.engine == "postgres") else {
        return;
    };
    let directory = directories.iter().find(|directory| {
        directory.file_name().is_some_and(|name| name == "migrations") && has_migrations(directory)
    });
    store.migrations = directory.map(|directory| relative(root, directory));
}

fn has_migrations(directory: &Path) -> bool {
    let Ok(entries) = std::fs::read_dir(directory) else { return false };
    entries.flatten().any(|entry| {
        let name = entry.file_name();
        let Some(name) = name.to_str() else { return false };
        let digits = name.bytes().take_while(u8::is_ascii_digit).count();
        0 < digits && name.ends_with(".up.sql")
    })
}
