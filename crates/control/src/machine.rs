//! What is on this machine and in the state directory, gathered before each resolution.
//!
//! Programs are found as a shell would find them, and database engines also where distributions
//! put versions beside each other. Nothing is remembered between gatherings: what was installed or
//! removed since counts.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;

use base::{Bytes, Kind};
use manifest::Manifest;
use plan::databases::{self, Database};
use plan::{DataDirectory, Installed, Machine, Observed, Paths, SourceDigest, UserPlan, Users};

use crate::Location;
use crate::sources::{self, SourcesError};

/// What is taken from the environment of whoever runs Mainstay.
#[derive(Clone, Debug, Default)]
pub struct Invoker {
    /// `PATH`.
    pub path: OsString,
    /// `SUDO_UID`, of whoever became root to run it.
    pub sudo_uid: Option<u32>,
    /// Variables that builds need to find their tools: `CARGO_HOME`, proxies.
    pub build_environment: BTreeMap<String, String>,
}

/// Gathers everything but ports and secrets, which the caller adds.
///
/// # Errors
///
/// When the sources of a service cannot be read.
pub(crate) fn observe(
    manifest: &Manifest,
    location: &Location,
    invoker: &Invoker,
) -> Result<Observed, SourcesError> {
    let machine = thread::scope(|scope| {
        let engines = scope.spawn(|| engines(manifest, invoker));
        let digests = source_digests(manifest, &location.project);
        // A panic in the other thread is one of ours and ends this one as well.
        let engines = engines.join().expect("looking for engines does not panic");
        digests.map(|digests| (engines, digests))
    });
    let (engines, sources) = machine?;
    Ok(Observed {
        machine: Machine {
            cores: thread::available_parallelism()
                .map_or(1, |cores| u32::try_from(cores.get()).unwrap_or(u32::MAX)),
            memory: total_memory(),
            programs: programs(manifest, location, invoker),
            engines,
        },
        users: users(manifest, location, invoker),
        paths: Paths {
            project: location.project.clone(),
            state: location.state.clone(),
            runtime: location.runtime.clone(),
        },
        ports: BTreeMap::new(),
        data: data(manifest, &location.state),
        sources,
        build_environment: invoker.build_environment.clone(),
        secrets: BTreeSet::new(),
    })
}

fn source_digests(
    manifest: &Manifest,
    project: &Path,
) -> Result<BTreeMap<String, SourceDigest>, SourcesError> {
    let mut digests = BTreeMap::new();
    for source in plan::sources(manifest) {
        let directory = project.join(&source.path);
        if !directory.is_dir() {
            // The resolution says so, with the place in the manifest.
            continue;
        }
        let also: Vec<PathBuf> = source.also.iter().map(|path| project.join(path)).collect();
        let locks: Vec<&str> = source.locks.iter().map(String::as_str).collect();
        digests.insert(source.name, sources::digest(&directory, &also, &locks)?);
    }
    Ok(digests)
}

fn programs(
    manifest: &Manifest,
    location: &Location,
    invoker: &Invoker,
) -> BTreeMap<String, PathBuf> {
    let names = plan::program_names(manifest);
    let found = names.into_iter().filter_map(|name| {
        let path = if name.contains('/') {
            Some(location.project.join(&name)).filter(|path| is_program(path))
        } else {
            search(&invoker.path, &name)
        };
        Some((name, path?))
    });
    found.collect()
}

fn search(path: &OsString, name: &str) -> Option<PathBuf> {
    std::env::split_paths(path).map(|directory| directory.join(name)).find(|path| is_program(path))
}

fn is_program(path: &Path) -> bool {
    fs::metadata(path)
        .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
}

fn engines(manifest: &Manifest, invoker: &Invoker) -> BTreeMap<String, Vec<Installed>> {
    let wanted: BTreeSet<&str> = manifest
        .databases
        .iter()
        .filter(|database| database.url.is_none())
        .map(|database| database.engine.as_str())
        .collect();
    let kinds: Vec<&Kind<dyn Database>> =
        wanted.iter().filter_map(|name| base::find(databases::ALL, name)).collect();
    thread::scope(|scope| {
        let searches: Vec<_> = kinds
            .into_iter()
            .map(|kind| (kind.name, scope.spawn(|| installations(kind, &invoker.path))))
            .collect();
        searches
            .into_iter()
            .map(|(name, search)| {
                (name.to_owned(), search.join().expect("looking for an engine does not panic"))
            })
            .collect()
    })
}

fn installations(kind: &Kind<dyn Database>, path: &OsString) -> Vec<Installed> {
    let server = kind.code.server();
    let mut candidates: Vec<PathBuf> = search(path, server.name).into_iter().collect();
    for pattern in server.directories {
        candidates.extend(expand(pattern).into_iter().map(|found| found.join(server.name)));
    }
    let mut seen = BTreeSet::new();
    let mut found: Vec<Installed> = candidates
        .iter()
        .filter(|program| is_program(program))
        .filter_map(|program| fs::canonicalize(program).ok())
        .filter(|program| seen.insert(program.clone()))
        .filter_map(|program| installed(kind, &program, path))
        .collect();
    let number = |one: &Installed| one.major.parse::<u32>().unwrap_or_default();
    found.sort_by_key(|one| std::cmp::Reverse(number(one)));
    found
}

/// An installation is one whose server tells its version and whose companions are beside it.
fn installed(kind: &Kind<dyn Database>, program: &Path, path: &OsString) -> Option<Installed> {
    // Debian's `redis-server` is a link to a program that looks at its own name.
    let name = kind.code.server().name;
    let link =
        search(path, name).filter(|link| fs::canonicalize(link).is_ok_and(|one| one == program));
    let companions = kind.code.companions();
    let complete = |directory: &Path| {
        companions.iter().chain([&name]).all(|name| is_program(&directory.join(name)))
    };
    let places = [program.parent(), link.as_deref().and_then(Path::parent)];
    let directory = places.into_iter().flatten().find(|directory| complete(directory))?.to_owned();
    if let Some(major) = kind.code.major_of(&directory) {
        return Some(Installed { version: major.clone(), major, directory });
    }
    let output = Command::new(directory.join(name))
        .arg("--version")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let major = kind.code.major(&version).to_owned();
    (output.status.success() && !major.is_empty()).then_some(Installed {
        major,
        version,
        directory,
    })
}

/// The directories that a pattern with one `*` names.
fn expand(pattern: &str) -> Vec<PathBuf> {
    let Some((before, after)) = pattern.split_once('*') else {
        return vec![PathBuf::from(pattern)];
    };
    let (parent, prefix) = before.rsplit_once('/').unwrap_or((".", before));
    let Ok(entries) = fs::read_dir(parent) else { return Vec::new() };
    entries
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix))
        .map(|entry| {
            let mut path = entry.path().into_os_string();
            path.push(after);
            PathBuf::from(path)
        })
        .collect()
}

fn total_memory() -> Bytes {
    let text = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let kib = text.lines().find_map(|line| {
        line.strip_prefix("MemTotal:")?.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()
    });
    Bytes(kib.unwrap_or_default().saturating_mul(1 << 10))
}

fn users(manifest: &Manifest, location: &Location, invoker: &Invoker) -> Users {
    if !rustix::process::geteuid().is_root() {
        return Users::default();
    }
    let passwd = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let all: Vec<UserPlan> = passwd.lines().filter_map(account).collect();
    let by_name = |name: &str| all.iter().find(|user| user.name == name).cloned();
    let behind_sudo = invoker
        .sudo_uid
        .filter(|uid| *uid != 0)
        .and_then(|uid| all.iter().find(|user| user.uid == uid).cloned());
    let owner = fs::metadata(&location.project).ok().map(|metadata| metadata.uid());
    let owner = owner
        .filter(|uid| *uid != 0)
        .and_then(|uid| all.iter().find(|user| user.uid == uid).cloned());
    let engines = databases::ALL.iter().filter_map(|kind| kind.code.account());
    let named = manifest.services.iter().filter_map(|service| service.user.as_ref());
    let names = engines.chain(named.map(|user| user.value.as_str()));
    Users {
        root: true,
        services: behind_sudo.clone().or_else(|| by_name("nobody")),
        // A build runs what packages bring along; root is the last who should.
        builds: behind_sudo.or(owner),
        accounts: names.filter_map(|name| Some((name.to_owned(), by_name(name)?))).collect(),
    }
}

/// A line of `/etc/passwd`: passwd(5).
fn account(line: &str) -> Option<UserPlan> {
    let mut fields = line.split(':');
    let name = fields.next()?.to_owned();
    let _password = fields.next()?;
    Some(UserPlan { name, uid: fields.next()?.parse().ok()?, gid: fields.next()?.parse().ok()? })
}

fn data(manifest: &Manifest, state: &Path) -> BTreeMap<String, DataDirectory> {
    let mut found = BTreeMap::new();
    for database in manifest.databases.iter().filter(|database| database.url.is_none()) {
        let Some(kind) = base::find(databases::ALL, &database.engine) else { continue };
        for instance in kind.code.instances(database) {
            let directory = databases::data_directory(state, &instance);
            if directory.exists() {
                let marker = kind.code.marker().map(|marker| directory.join(marker.file));
                let major = marker.and_then(|file| fs::read_to_string(file).ok());
                let major = major.map(|text| text.trim().to_owned());
                found.insert(instance, DataDirectory { major });
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_in_path_only_when_it_can_be_run() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().as_os_str().to_owned();
        let file = directory.path().join("tool");
        runtime::StateFile::public(&file).write(b"#!/bin/sh\n").unwrap();
        assert_eq!(search(&path, "tool"), None);
        fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
        assert_eq!(search(&path, "tool"), Some(file));
    }

    #[test]
    fn a_pattern_names_the_versions_beside_each_other() {
        let directory = tempfile::tempdir().unwrap();
        for version in ["14", "15"] {
            fs::create_dir_all(directory.path().join(version).join("bin")).unwrap();
        }
        let mut found = expand(&format!("{}/*/bin", directory.path().display()));
        found.sort();
        assert_eq!(found.len(), 2);
        assert!(found.iter().all(|path| path.ends_with("bin")));
    }
}
