//! Cargo packages and workspaces that have binaries.

use std::path::Path;

use toml::{Table, Value};

use super::{Found, FoundBuild, FoundService, Place, Serves};

/// Crates that a program depends on when it answers requests.
const SERVERS: &[&str] = &[
    "actix-web",
    "axum",
    "gotham",
    "hyper",
    "ntex",
    "poem",
    "rocket",
    "salvo",
    "tide",
    "tonic",
    "viz",
    "warp",
];

/// Packages that help to develop and are not the application.
const TOOLS: &[&str] = &["xtask", "tools", "bench", "benchmarks"];

pub(super) fn detect(place: &Place<'_>, found: &mut Found) {
    let Some(text) = place.read("Cargo.toml") else { return };
    let Ok(table) = text.parse::<Table>() else {
        let source = place.source("Cargo.toml");
        found.notes.push(format!("{source} is not valid TOML and was left out"));
        return;
    };
    let Some(package) = table.get("package").and_then(Value::as_table) else { return };
    let Some(name) = package.get("name").and_then(Value::as_str) else { return };
    if TOOLS.contains(&name) {
        return;
    }
    let bins = binaries(place.directory, &table, name);
    let default = package.get("default-run").and_then(Value::as_str);
    let chosen = default
        .or_else(|| bins.iter().find(|bin| *bin == name).map(String::as_str))
        .or_else(|| bins.first().map(String::as_str));
    let Some(bin) = chosen.map(str::to_owned) else { return };
    let serves = if depends_on(&table, SERVERS) { Serves::Requests } else { Serves::Nothing };
    let workspace = workspace(place);
    let build = FoundBuild::Cargo {
        package: (bin != name).then(|| name.to_owned()),
        bin: bin.clone(),
        member: workspace.as_ref().map(|_| place.relative()),
    };
    let short = short_name(place, name);
    let mut service = FoundService::new(place, "Cargo.toml", &short, build, serves);
    if let Some(workspace) = workspace {
        service.directory = workspace;
    }
    let others: Vec<&str> =
        bins.iter().filter(|other| **other != bin).map(String::as_str).collect();
    if !others.is_empty() {
        let list = others.join("`, `");
        service.comments.push(format!("The package has other binaries: `{list}`."));
    }
    found.services.push(service);
}

/// The directory's name is shorter than `shop-api` where a package lives in one of its own.
fn short_name(place: &Place<'_>, package: &str) -> String {
    if place.directory == place.root { package.to_owned() } else { place.name() }
}

fn binaries(directory: &Path, table: &Table, package: &str) -> Vec<String> {
    let declared = table.get("bin").and_then(Value::as_array);
    let declared = declared.into_iter().flatten().filter_map(|bin| bin.get("name")?.as_str());
    let mut bins: Vec<String> = declared.map(str::to_owned).collect();
    let mut add = |name: &str| {
        if !bins.iter().any(|bin| bin == name) {
            bins.push(name.to_owned());
        }
    };
    let declares_main = table.get("bin").and_then(Value::as_array).is_some_and(|all| {
        all.iter().any(|bin| bin.get("path").and_then(Value::as_str) == Some("src/main.rs"))
    });
    if directory.join("src/main.rs").is_file() && !declares_main {
        add(package);
    }
    let Ok(entries) = std::fs::read_dir(directory.join("src/bin")) else { return bins };
    let mut files: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    files.sort();
    for file in files {
        let is_bin =
            file.extension().is_some_and(|ext| ext == "rs") || file.join("main.rs").is_file();
        if let Some(name) = file.file_stem().and_then(|stem| stem.to_str()).filter(|_| is_bin) {
            add(name);
        }
    }
    bins
}

/// Whether any of the names is among the dependencies.
pub(super) fn depends_on(table: &Table, names: &[&str]) -> bool {
    let dependencies = table.get("dependencies").and_then(Value::as_table);
    dependencies.is_some_and(|all| names.iter().any(|name| all.contains_key(*name)))
}

/// The workspace above that the package belongs to, relative to the project.
fn workspace(place: &Place<'_>) -> Option<String> {
    for above in place.directory.ancestors().skip(1) {
        if !above.starts_with(place.root) {
            return None;
        }
        let above = Place { root: place.root, directory: above };
        let Some(table) = above.read("Cargo.toml").and_then(|text| text.parse::<Table>().ok())
        else {
            continue;
        };
        let workspace = table.get("workspace").and_then(Value::as_table)?;
        let excluded = workspace.get("exclude").and_then(Value::as_array);
        let below = place.directory.strip_prefix(above.directory).ok()?;
        let is_excluded = excluded.is_some_and(|all| {
            all.iter().any(|path| path.as_str().is_some_and(|p| below.starts_with(p)))
        });
        return (!is_excluded).then(|| above.relative());
    }
    None
}
