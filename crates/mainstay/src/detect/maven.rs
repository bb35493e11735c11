//! `pom.xml` with a plugin that makes a runnable jar.

use super::{Found, FoundBuild, FoundService, Place, Serves};

/// Plugins that make a jar which `java -jar` runs.
const RUNNABLE: &[&str] =
    &["spring-boot-maven-plugin", "maven-shade-plugin", "maven-assembly-plugin"];

/// Artifacts that a program depends on when it answers requests.
const SERVERS: &[&str] = &[
    "spring-boot-starter-web",
    "micronaut-http-server",
    "jetty-server",
    "javalin",
    "vertx-web",
    "undertow-core",
    "helidon-webserver",
    "dropwizard-core",
];

pub(super) fn detect(place: &Place<'_>, found: &mut Found) {
    let Some(text) = place.read("pom.xml") else { return };
    let source = place.source("pom.xml");
    let Some(artifact) = child(&text, "artifactId") else {
        found.notes.push(format!("{source} names no artifact and was left out"));
        return;
    };
    if child(&text, "packaging").is_some_and(|packaging| packaging != "jar") {
        return;
    }
    if !RUNNABLE.iter().any(|plugin| text.contains(plugin)) {
        found.notes.push(format!("{source} makes no runnable jar and was left out"));
        return;
    }
    let version = child(&text, "version").unwrap_or_else(|| "1.0".to_owned());
    let build = element(&text, "build").and_then(|build| child_of(build, "finalName"));
    let stem = build.unwrap_or_else(|| format!("{artifact}-{version}"));
    let jar = format!("target/{stem}.jar");
    let serves = if SERVERS.iter().any(|server| text.contains(server)) {
        Serves::Requests
    } else {
        Serves::Nothing
    };
    let name = if place.directory == place.root { artifact } else { place.name() };
    let mut service =
        FoundService::new(place, "pom.xml", &name, FoundBuild::Maven { jar: jar.clone() }, serves);
    if jar.contains("${") {
        service
            .comments
            .push("The jar's name holds a property; write it as Maven makes it.".into());
    }
    if text.contains("spring-boot") {
        service.env.insert("SERVER_ADDRESS".to_owned(), "127.0.0.1".to_owned());
        service.comments.push("Put `server.port=${PORT:8080}` into application.properties.".into());
    }
    found.services.push(service);
}

/// The text of a direct child of `<project>`.
fn child(text: &str, name: &str) -> Option<String> {
    child_of(element(text, "project")?, name)
}

/// The text of a direct child in an element's content.
fn child_of(content: &str, name: &str) -> Option<String> {
    let mut rest = content;
    let mut depth = 0_usize;
    loop {
        let (_, tail) = rest.split_once('<')?;
        if let Some(comment) = tail.strip_prefix("!--") {
            rest = comment.split_once("-->")?.1;
            continue;
        }
        let (tag, after) = tail.split_once('>')?;
        rest = after;
        if tag.starts_with('/') {
            depth = depth.checked_sub(1)?;
        } else if !tag.ends_with('/') && !tag.starts_with(['!', '?']) {
            if depth == 0 && tag.split_whitespace().next() == Some(name) {
                return Some(after.split_once('<')?.0.trim().to_owned());
            }
            depth += 1;
        }
    }
}

/// The content of the first element of this name.
fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, after) = text.split_once(&format!("<{name}"))?;
    let (_, content) = after.split_once('>')?;
    content.rsplit_once(&format!("</{name}>")).map(|(content, _)| content)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_direct_children_count() {
        let pom = "<project a='b'><!-- <artifactId>no</artifactId> --><parent><artifactId>parent\
                   </artifactId></parent><artifactId> shop </artifactId></project>";
        assert_eq!(child(pom, "artifactId").as_deref(), Some("shop"));
        assert_eq!(child(pom, "version"), None);
        for broken in
            ["<project>", "<project><artifactId>", "</project>", "", "<project></a></project>"]
        {
            assert_eq!(child(broken, "artifactId"), None, "{broken}");
        }
    }
}
