//! Looks at a directory and says what is in it that could run: what `init` writes a manifest from.
//!
//! A guess is either supported by a file, which is named beside it, or not made. Reading is bounded
//! in depth, number and size, since a project directory may hold anything.

mod cargo;
mod compose;
mod docker;
mod dotenv;
mod maven;
mod mentions;
mod node;
mod stores;
mod yaml;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use base::Secret;

/// Directories deeper than this below the project hold no project file that matters.
const DEEPEST: usize = 4;

/// A tree with more directories is looked at in part.
const MOST_DIRECTORIES: usize = 2_000;

/// Project files are small; what is larger is something else.
const LARGEST_FILE: u64 = 1 << 20;

/// Directories that hold results, copies or examples rather than what runs.
const PASSED_OVER: &[&str] = &[
    "target",
    "node_modules",
    "dist",
    "build",
    "out",
    "vendor",
    "coverage",
    "examples",
    "example",
    "fixtures",
    "test",
    "tests",
    "e2e",
    "benches",
    "fuzz",
    "docs",
    "__pycache__",
    "venv",
];

/// What is in a directory.
#[derive(Debug, Default)]
pub(crate) struct Found {
    /// A name for the application.
    pub(crate) app: String,
    /// What could run.
    pub(crate) services: Vec<FoundService>,
    /// What keeps data.
    pub(crate) stores: Vec<FoundStore>,
    /// The port users know it by.
    pub(crate) published: Option<u16>,
    /// Values of secrets, from `.env`; never written into the manifest.
    pub(crate) secrets: BTreeMap<String, Secret>,
    /// What was seen and left out, and why.
    pub(crate) notes: Vec<String>,
}

/// Something that could run.
#[derive(Debug)]
pub(crate) struct FoundService {
    /// Its name in the manifest.
    pub(crate) name: String,
    /// The file that says so, relative to the project.
    pub(crate) source: String,
    /// Its directory, relative to the project; `.` for the project itself.
    pub(crate) directory: String,
    /// How it is built.
    pub(crate) build: FoundBuild,
    /// Whether it answers requests.
    pub(crate) serves: Serves,
    /// Harmless variables; values as they stand in the manifest.
    pub(crate) env: BTreeMap<String, String>,
    /// Names of secrets it is given.
    pub(crate) secrets: BTreeSet<String>,
    /// What the reader should know, as comments.
    pub(crate) comments: Vec<String>,
}

/// What requests a service answers.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Serves {
    /// Pages for browsers.
    Pages,
    /// Requests of programs.
    Requests,
    /// None: a worker.
    Nothing,
}

/// How a service is built.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum FoundBuild {
    /// By Cargo.
    Cargo {
        /// The binary.
        bin: String,
        /// The package, when its name is another.
        package: Option<String>,
        /// The directory of the package, when the build's is the workspace's.
        member: Option<String>,
    },
    /// By Next.js.
    Nextjs,
    /// By npm.
    Npm {
        /// The script that starts it.
        start: String,
        /// The script that builds it.
        build: Option<String>,
    },
    /// By Maven.
    Maven {
        /// The runnable jar.
        jar: String,
    },
    /// Not at all: a command line.
    Run {
        /// The command line.
        command: String,
    },
}

/// Something that keeps data.
#[derive(Clone, Debug)]
pub(crate) struct FoundStore {
    /// Its name in the manifest.
    pub(crate) name: String,
    /// `postgres` or `redis`.
    pub(crate) engine: &'static str,
    /// The major version, where one is named.
    pub(crate) version: Option<String>,
    /// The name of the database inside.
    pub(crate) database: Option<String>,
    /// The role inside.
    pub(crate) user: Option<String>,
    /// A directory of migrations.
    pub(crate) migrations: Option<String>,
    /// The file that says so, relative to the project.
    pub(crate) source: String,
}

/// Looks at a directory. `path` is where programs are looked for, as in the environment.
pub(crate) fn detect(root: &Path, path: &str) -> Found {
    let mut found = Found { app: app_name(root), ..Found::default() };
    let directories = directories(root);
    for directory in &directories {
        let place = Place { root, directory };
        cargo::detect(&place, &mut found);
        node::detect(&place, &mut found);
        maven::detect(&place, &mut found);
    }
    for directory in &directories {
        docker::detect(&Place { root, directory }, path, &mut found);
    }
    unique_names(&mut found.services);
    let composed = compose::detect(&Place { root, directory: root }, &mut found);
    stores::detect(root, &directories, &mut found);
    dotenv::detect(root, &directories, &composed, &mut found);
    found
}

/// A directory of the project that is being looked at.
#[derive(Clone, Copy, Debug)]
struct Place<'a> {
    root: &'a Path,
    directory: &'a Path,
}

impl Place<'_> {
    /// A file's text, if it is there, small and UTF-8.
    fn read(&self, name: &str) -> Option<String> {
        read(&self.directory.join(name))
    }

    /// Whether there is such a file or directory.
    fn has(&self, name: &str) -> bool {
        self.directory.join(name).exists()
    }

    /// The directory relative to the project; `.` for the project itself.
    fn relative(&self) -> String {
        relative(self.root, self.directory)
    }

    /// A file's path relative to the project.
    fn source(&self, name: &str) -> String {
        relative(self.root, &self.directory.join(name))
    }

    /// A name for what is in the directory.
    fn name(&self) -> String {
        let name = self.directory.file_name().and_then(|name| name.to_str()).unwrap_or("app");
        manifest::names::as_name(name).unwrap_or_else(|| "app".to_owned())
    }
}

fn read(path: &Path) -> Option<String> {
    let file = File::open(path).ok()?;
    if !file.metadata().ok()?.is_file() {
        return None;
    }
    let mut text = String::new();
    let read = file.take(LARGEST_FILE + 1).read_to_string(&mut text).ok()?;
    (read as u64 <= LARGEST_FILE).then_some(text)
}

fn relative(root: &Path, path: &Path) -> String {
    let inside = path.strip_prefix(root).unwrap_or(path).to_string_lossy();
    if inside.is_empty() { ".".to_owned() } else { inside.into_owned() }
}

fn app_name(root: &Path) -> String {
    let name = root.file_name().and_then(|name| name.to_str()).unwrap_or("app");
    manifest::names::as_name(name).unwrap_or_else(|| "app".to_owned())
}

/// The project and what is below it, nearest first.
fn directories(root: &Path) -> Vec<PathBuf> {
    let mut all = vec![root.to_owned()];
    let mut level = vec![root.to_owned()];
    for _ in 0..DEEPEST {
        let mut below: Vec<PathBuf> = level.iter().flat_map(|parent| children(parent)).collect();
        below.sort();
        below.truncate(MOST_DIRECTORIES.saturating_sub(all.len()));
        all.extend(below.iter().cloned());
        level = below;
    }
    all
}

fn children(parent: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(parent) else { return Vec::new() };
    entries
        .flatten()
        .filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()))
        .filter(|entry| {
            let name = entry.file_name();
            let Some(name) = name.to_str() else { return false };
            !name.starts_with('.') && !PASSED_OVER.contains(&name)
        })
        .map(|entry| entry.path())
        .collect()
}

/// Gives services of the same name the name of their directory, or a number.
fn unique_names(services: &mut [FoundService]) {
    let mut taken = BTreeSet::new();
    for service in services {
        let mut name = service.name.clone();
        if taken.contains(&name) {
            let directory = service.directory.rsplit('/').next().unwrap_or_default();
            name = manifest::names::as_name(directory).unwrap_or(name);
        }
        let stem = name.clone();
        let mut number = 2;
        while !taken.insert(name.clone()) {
            name = format!("{stem}-{number}");
            number += 1;
        }
        service.name = name;
    }
}

impl FoundService {
    fn new(place: &Place<'_>, file: &str, name: &str, build: FoundBuild, serves: Serves) -> Self {
        Self {
            name: manifest::names::as_name(name).unwrap_or_else(|| place.name()),
            source: place.source(file),
            directory: place.relative(),
            build,
            serves,
            env: BTreeMap::new(),
            secrets: BTreeSet::new(),
            comments: Vec::new(),
        }
    }

    /// Where its own sources are: the package rather than the workspace.
    pub(crate) fn sources(&self) -> &str {
        match &self.build {
            FoundBuild::Cargo { member: Some(member), .. } => member,
            _ => &self.directory,
        }
    }
}

/// Whether a service's sources hold a name or path.
pub(crate) fn speaks_of(root: &Path, service: &FoundService, word: &str) -> bool {
    mentions::mentions(&root.join(service.sources()), word)
}
