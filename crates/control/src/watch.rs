//! Sees the user's files change: directories of watched services, and the manifest itself.
//!
//! Changes are gathered until it has been quiet for a moment, since an editor or a checkout writes
//! many files at once. What changed is not remembered: whoever is woken digests the sources again.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use notify::{EventKind, RecommendedWatcher, RecursiveMode, Watcher as _};
use tokio::sync::mpsc;

/// Quiet for so long means that the writing has ended.
const QUIET: Duration = Duration::from_millis(150);

/// Names of directories that hold results; a change there is our own doing.
const RESULTS: &[&str] = &["target", "node_modules", ".next", ".git", ".mainstay", "dist"];

/// Watches directories for as long as it lives.
#[derive(Debug)]
pub(crate) struct Watch {
    watcher: RecommendedWatcher,
    watched: BTreeSet<PathBuf>,
    changes: mpsc::Receiver<()>,
}

impl Watch {
    /// Watches nothing yet.
    pub(crate) fn new() -> Result<Self, notify::Error> {
        let (sender, changes) = mpsc::channel(1);
        let watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            if event.is_ok_and(|event| is_change(&event)) {
                // One pending wake-up stands for any number of changes.
                sender.try_send(()).ok();
            }
        })?;
        Ok(Self { watcher, watched: BTreeSet::new(), changes })
    }

    /// Watches these and nothing else; returns those that cannot be watched.
    pub(crate) fn set(&mut self, paths: BTreeSet<PathBuf>) -> Vec<String> {
        for path in self.watched.difference(&paths) {
            // It may be gone already, and then is not watched either.
            self.watcher.unwatch(path).ok();
        }
        let mut problems = Vec::new();
        for path in paths.difference(&self.watched) {
            for part in parts(path) {
                let mode = if part == *path && path.is_dir() {
                    RecursiveMode::NonRecursive
                } else {
                    RecursiveMode::Recursive
                };
                if let Err(error) = self.watcher.watch(&part, mode) {
                    problems.push(format!("`{}` cannot be watched: {error}", part.display()));
                }
            }
        }
        self.watched = paths;
        problems
    }

    /// Waits for a change and then for quiet. Safe to drop at any time.
    pub(crate) async fn changed(&mut self) {
        if self.changes.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
        while let Ok(Some(())) = tokio::time::timeout(QUIET, self.changes.recv()).await {}
    }
}

/// A directory by itself and each directory in it that holds sources: watching a `node_modules` or
/// a `target` would cost a watch for each of its thousands of directories.
fn parts(path: &Path) -> Vec<PathBuf> {
    let mut parts = vec![path.to_owned()];
    let Ok(entries) = std::fs::read_dir(path) else { return parts };
    for entry in entries.flatten() {
        let is_result = RESULTS.iter().any(|name| entry.file_name() == *name);
        if !is_result && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            parts.push(entry.path());
        }
    }
    parts
}

fn is_change(event: &notify::Event) -> bool {
    let matters = match event.kind {
        EventKind::Access(_) => false,
        EventKind::Any | EventKind::Create(_) | EventKind::Modify(_) | EventKind::Remove(_) => true,
        EventKind::Other => false,
    };
    let is_result = |path: &PathBuf| {
        path.components().any(|part| RESULTS.iter().any(|name| part.as_os_str() == *name))
    };
    matters && !event.paths.iter().all(is_result)
}
