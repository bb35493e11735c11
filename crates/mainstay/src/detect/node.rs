//! `package.json`: a Next.js application, or a Node service that npm starts.

use serde_json::{Map, Value};

use super::{Found, FoundBuild, FoundService, Place, Serves};

/// Packages that a program depends on when it answers requests.
const SERVERS: &[&str] =
    &["express", "fastify", "koa", "hono", "@nestjs/core", "@hapi/hapi", "restify", "polka", "h3"];

/// Packages that make pages.
const PAGES: &[&str] =
    &["nuxt", "@remix-run/serve", "@sveltejs/kit", "astro", "vite", "react-scripts"];

pub(super) fn detect(place: &Place<'_>, found: &mut Found) {
    let Some(text) = place.read("package.json") else { return };
    let source = place.source("package.json");
    let Ok(package) = serde_json::from_str::<Value>(&text) else {
        found.notes.push(format!("{source} is not valid JSON and was left out"));
        return;
    };
    let object = |key: &str| package.get(key).and_then(Value::as_object);
    let is_workspace = package.get("workspaces").is_some();
    let scripts = object("scripts");
    let depends = |name: &str| {
        let has =
            |list: Option<&Map<String, Value>>| list.is_some_and(|all| all.contains_key(name));
        has(object("dependencies")) || has(object("devDependencies"))
    };
    let name = match package.get("name").and_then(Value::as_str) {
        Some(name) if place.directory == place.root => {
            name.rsplit('/').next().unwrap_or(name).to_owned()
        }
        _ => place.name(),
    };
    if depends("next")
        && scripts.is_some_and(|all| all.contains_key("dev") || all.contains_key("build"))
    {
        let mut service =
            FoundService::new(place, "package.json", &name, FoundBuild::Nextjs, Serves::Pages);
        note_lock(place, &mut service);
        note_standalone(place, &mut service);
        found.services.push(service);
        return;
    }
    let has_script = |name: &&str| scripts.is_some_and(|all| all.contains_key(*name));
    let Some(start) = ["start", "serve"].iter().find(|name| has_script(name)) else {
        if !is_workspace && scripts.is_some() {
            found.notes.push(format!("{source} has no `start` script and was left out"));
        }
        return;
    };
    let serves = if PAGES.iter().any(|name| depends(name)) {
        Serves::Pages
    } else if SERVERS.iter().any(|name| depends(name)) {
        Serves::Requests
    } else {
        Serves::Nothing
    };
    let build = FoundBuild::Npm {
        start: (*start).to_owned(),
        build: has_script(&"build").then(|| "build".to_owned()),
    };
    let mut service = FoundService::new(place, "package.json", &name, build, serves);
    note_lock(place, &mut service);
    found.services.push(service);
}

/// Without a lock file `npm ci` refuses to install.
fn note_lock(place: &Place<'_>, service: &mut FoundService) {
    if !place.has("package-lock.json") {
        let text = "There is no package-lock.json; run `npm install` once and commit it.";
        service.comments.push(text.to_owned());
    }
}

/// What is run after a build is Next's standalone server.
fn note_standalone(place: &Place<'_>, service: &mut FoundService) {
    let configs = ["next.config.ts", "next.config.js", "next.config.mjs", "next.config.cjs"];
    let config = configs.iter().find_map(|name| place.read(name));
    if !config.is_some_and(|text| text.contains("standalone")) {
        let text = "Without `watch`, next.config needs `output: \"standalone\"`.";
        service.comments.push(text.to_owned());
    }
}
