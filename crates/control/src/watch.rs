//! Sees the user's files change: directories of watched services, and the manifest itself.
//!
//! Changes are gathered until it has been quiet for a moment, since an editor or a checkout writes
//! many files at once. What changed is not remembered: whoever is woken digests the sources again.
//! A file is watched by its directory, since most editors replace it, and a watch of the old file
//! would see nothing more.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

use crate::sources::RESULTS;

/// Quiet for so long means that the writing has ended.
const QUIET: Duration = Duration::from_millis(150);

/// Somebody who never stops writing does not put the news off for ever.
const LONGEST: Duration = Duration::from_secs(2);

/// What is watched.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Watched {
    /// Every source below these.
    pub(crate) directories: BTreeSet<PathBuf>,
    /// These alone.
    pub(crate) files: BTreeSet<PathBuf>,
}

/// Watches for as long as it lives.
#[derive(Debug)]
pub(crate) struct Watch {
    watcher: RecommendedWatcher,
    watched: Arc<Mutex<Watched>>,
    places: BTreeSet<(PathBuf, bool)>,
    changes: mpsc::Receiver<()>,
    /// When it will have been quiet for long enough after a change.
    quiet_at: Option<tokio::time::Instant>,
    /// When it is told although it has not been quiet.
    last_at: Option<tokio::time::Instant>,
}

impl Watched {
    /// Whether a change of this path is one that somebody waits for.
    fn concerns(&self, path: &Path) -> bool {
        let is_source = |root: &PathBuf| {
            let below = path.strip_prefix(root);
            below.is_ok_and(|below| {
                let mut parts = below.components();
                !parts.any(|part| RESULTS.iter().any(|name| part.as_os_str() == *name))
            })
        };
        self.files.contains(path) || self.directories.iter().any(is_source)
    }

    /// The places to be watched, each with whether everything below it is.
    fn places(&self) -> BTreeSet<(PathBuf, bool)> {
        let parents = self.files.iter().filter_map(|file| file.parent());
        let mut places: BTreeSet<(PathBuf, bool)> =
            parents.map(|parent| (parent.to_owned(), false)).collect();
        for directory in &self.directories {
            places.insert((directory.clone(), false));
            // Watching a `node_modules` or a `target` would cost a watch for each of thousands of
            // directories.
            let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
            for entry in entries {
                let is_result = RESULTS.iter().any(|name| entry.file_name() == *name);
                if !is_result && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                    places.insert((entry.path(), true));
                }
            }
        }
        places
    }
}

impl Watch {
    /// Watches nothing yet.
    pub(crate) fn new() -> Result<Self, notify::Error> {
        let (sender, changes) = mpsc::channel(1);
        let watched = Arc::new(Mutex::new(Watched::default()));
        let rules = Arc::clone(&watched);
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // An error says that events were lost; then anything may have changed.
            let changed = event.map_or(true, |event| is_change(&event, &rules));
            if changed {
                // One pending wake-up stands for any number of changes.
                sender.try_send(()).ok();
            }
        })?;
        Ok(Self {
            watcher,
            watched,
            places: BTreeSet::new(),
            changes,
            quiet_at: None,
            last_at: None,
        })
    }

    /// Watches these and nothing else; returns those that cannot be watched.
    pub(crate) fn set(&mut self, watched: Watched) -> Vec<String> {
        let places = watched.places();
        *self.watched.lock().expect("no holder of the lock panics") = watched;
        for (path, _) in self.places.difference(&places) {
            // It may be gone already, and then is not watched either.
            self.watcher.unwatch(path).ok();
        }
        let mut problems = Vec::new();
        // All of them: a directory that was removed and made anew has lost its watch.
        for (path, below) in &places {
            let mode = if *below { RecursiveMode::Recursive } else { RecursiveMode::NonRecursive };
            if let Err(error) = self.watcher.watch(path, mode) {
                problems.push(format!("`{}` cannot be watched: {error}", path.display()));
            }
        }
        self.places = places;
        problems
    }

    /// Waits for a change and then for quiet.
    ///
    /// # Cancellation
    ///
    /// Safe to drop: a change that was seen is remembered until it is returned.
    pub(crate) async fn changed(&mut self) {
        loop {
            let next = match self.quiet_at {
                None => Ok(self.changes.recv().await),
                Some(at) => tokio::time::timeout_at(at, self.changes.recv()).await,
            };
            match next {
                Ok(Some(())) => {
                    let now = tokio::time::Instant::now();
                    let last = *self.last_at.get_or_insert(now + LONGEST);
                    self.quiet_at = Some((now + QUIET).min(last));
                }
                Ok(None) => std::future::pending().await,
                Err(_quiet) => {
                    self.quiet_at = None;
                    self.last_at = None;
                    return;
                }
            }
        }
    }
}

fn is_change(event: &notify::Event, watched: &Mutex<Watched>) -> bool {
    let matters = match event.kind {
        EventKind::Access(_) | EventKind::Other => false,
        EventKind::Any | EventKind::Create(_) | EventKind::Modify(_) | EventKind::Remove(_) => true,
    };
    let watched = watched.lock().expect("no holder of the lock panics");
    matters && event.paths.iter().any(|path| watched.concerns(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(path: &Path, text: &str) {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        runtime::StateFile::public(path).write(text.as_bytes()).unwrap();
    }

    async fn is_seen(watch: &mut Watch, path: &Path) -> bool {
        write(path, "changed");
        tokio::time::timeout(Duration::from_secs(2), watch.changed()).await.is_ok()
    }

    #[tokio::test]
    async fn a_change_is_not_lost_when_the_wait_for_it_is_dropped() {
        let directory = tempfile::tempdir().unwrap();
        let file = std::fs::canonicalize(directory.path()).unwrap().join("mainstay.toml");
        let mut watch = Watch::new().unwrap();
        watch.set(Watched { files: BTreeSet::from([file.clone()]), ..Watched::default() });
        write(&file, "one");
        let mut waits = 0;
        // Each wait is dropped long before it has been quiet for long enough.
        while tokio::time::timeout(QUIET / 10, watch.changed()).await.is_err() {
            waits += 1;
            assert!(waits < 500, "the change was lost");
        }
        assert!(0 < waits);
    }

    #[tokio::test]
    async fn sources_and_a_replaced_file_are_seen_and_results_are_not() {
        let directory = tempfile::tempdir().unwrap();
        let root = std::fs::canonicalize(directory.path()).unwrap();
        let (api, manifest) = (root.join("api"), root.join("mainstay.toml"));
        write(&api.join("src/main.rs"), "one");
        write(&manifest, "one");
        let mut watch = Watch::new().unwrap();
        let problems = watch.set(Watched {
            directories: BTreeSet::from([api.clone()]),
            files: BTreeSet::from([manifest.clone()]),
        });
        assert!(problems.is_empty(), "{problems:?}");
        assert!(is_seen(&mut watch, &api.join("src/main.rs")).await);
        assert!(is_seen(&mut watch, &manifest).await);
        assert!(is_seen(&mut watch, &manifest).await, "once replaced it is still watched");
        assert!(is_seen(&mut watch, &api.join("Cargo.toml")).await);
        assert!(!is_seen(&mut watch, &api.join("target/debug/api")).await);
        assert!(!is_seen(&mut watch, &root.join("notes.txt")).await);
    }
}
