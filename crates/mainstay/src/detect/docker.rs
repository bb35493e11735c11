//! A Dockerfile where nothing else says how its directory is run: its command line is tried here.

use std::path::Path;

use super::{Found, FoundBuild, FoundService, Place, Serves};

pub(super) fn detect(place: &Place<'_>, path: &str, found: &mut Found) {
    let Some(text) = place.read("Dockerfile") else { return };
    let here = place.relative();
    let source = place.source("Dockerfile");
    let exposed = exposed(&text);
    if let Some(service) = found.services.iter_mut().find(|service| service.sources() == here) {
        if exposed.is_some() && service.serves == Serves::Nothing {
            service.serves = Serves::Requests;
        }
        return;
    }
    if found.services.iter().any(|service| service.directory == here) {
        return;
    }
    let Some(command) = command(&text) else {
        found.notes.push(format!("{source} has no CMD that could be run here and was left out"));
        return;
    };
    let program = command.split_whitespace().next().unwrap_or_default().to_owned();
    if !is_there(&program, place.directory, path) {
        found.notes.push(format!(
            "{source} runs `{command}`, but there is no `{program}` on this machine; it was left out"
        ));
        return;
    }
    let serves = if exposed.is_some() { Serves::Requests } else { Serves::Nothing };
    let build = FoundBuild::Run { command };
    let mut service = FoundService::new(place, "Dockerfile", &place.name(), build, serves);
    service.comments.push(
        "Runs the image's command directly; what its RUN lines install must be on this machine."
            .to_owned(),
    );
    found.services.push(service);
}

/// The lines of the last stage, continuations joined.
fn instructions(text: &str) -> Vec<(String, String)> {
    let joined = text.replace("\\\r\n", " ").replace("\\\n", " ");
    let mut last = Vec::new();
    for line in joined.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
        let Some((word, rest)) = line.split_once(char::is_whitespace) else { continue };
        let word = word.to_ascii_uppercase();
        if word == "FROM" {
            last.clear();
        }
        last.push((word, rest.trim().to_owned()));
    }
    last
}

fn exposed(text: &str) -> Option<u16> {
    let instructions = instructions(text);
    let (_, ports) = instructions.iter().find(|(word, _)| word == "EXPOSE")?;
    ports.split(['/', ' ']).next()?.parse().ok()
}

/// ENTRYPOINT and CMD as one command line, if both are plain words.
fn command(text: &str) -> Option<String> {
    let instructions = instructions(text);
    let of = |name: &str| {
        let (_, rest) = instructions.iter().rev().find(|(word, _)| word == name)?;
        if rest.starts_with('[') {
            serde_json::from_str::<Vec<String>>(rest).ok()
        } else {
            Some(rest.split_whitespace().map(str::to_owned).collect())
        }
    };
    let mut words: Vec<String> = of("ENTRYPOINT").unwrap_or_default();
    words.extend(of("CMD").unwrap_or_default());
    let plain = |word: &String| {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@+".contains(c);
        !word.is_empty() && word.chars().all(allowed)
    };
    (!words.is_empty() && words.iter().all(plain)).then(|| words.join(" "))
}

fn is_there(program: &str, directory: &Path, path: &str) -> bool {
    if program.contains('/') {
        // An absolute path is the image's, not this machine's.
        return !program.starts_with('/') && directory.join(program).is_file();
    }
    std::env::split_paths(path).any(|entry| entry.join(program).is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_stages_command_is_taken_when_it_is_plain() {
        let check = |text: &str, expected: Option<&str>| {
            assert_eq!(command(text).as_deref(), expected, "{text}");
        };
        check(
            "FROM a\nCMD x\nFROM b\nENTRYPOINT [\"node\"]\nCMD [\"server.js\"]\n",
            Some("node server.js"),
        );
        check("FROM a\nCMD python \\\n  app.py\n", Some("python app.py"));
        check("FROM a\nCMD sh -c \"a && b\"\n", None);
        check("FROM a\nRUN make\n", None);
        check("", None);
    }
}
