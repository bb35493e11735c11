//! Whether a service's sources speak of a variable.

use std::fs;
use std::path::{Path, PathBuf};

use super::PASSED_OVER;

/// Files that can read a variable.
const SOURCES: &[&str] = &[
    "rs",
    "ts",
    "tsx",
    "js",
    "jsx",
    "mjs",
    "cjs",
    "java",
    "kt",
    "py",
    "rb",
    "go",
    "properties",
    "yml",
    "yaml",
    "toml",
    "svelte",
    "vue",
    "prisma",
];

/// More files than this are not read to answer one question.
const MOST_FILES: usize = 2_000;

/// Whether any source file below the directory holds the name as a whole word.
pub(super) fn mentions(directory: &Path, name: &str) -> bool {
    let mut open = vec![directory.to_owned()];
    let mut files = 0;
    while let Some(directory) = open.pop() {
        let Ok(entries) = fs::read_dir(&directory) else { continue };
        let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths {
            let Some(file) = path.file_name().and_then(|file| file.to_str()) else { continue };
            if path.is_dir() {
                let skip =
                    file.starts_with('.') || PASSED_OVER.contains(&file) || path.is_symlink();
                open.extend((!skip).then_some(path));
                continue;
            }
            let is_source =
                path.extension().is_some_and(|ext| SOURCES.iter().any(|known| ext == *known));
            files += usize::from(is_source);
            if MOST_FILES < files {
                return false;
            }
            if is_source && super::read(&path).is_some_and(|text| has_word(&text, name)) {
                return true;
            }
        }
    }
    false
}

fn has_word(text: &str, word: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.match_indices(word).any(|(at, _)| {
        let before = text.get(..at).and_then(|head| head.chars().next_back());
        let after = text.get(at + word.len()..).and_then(|tail| tail.chars().next());
        !before.is_some_and(is_part) && !after.is_some_and(is_part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_words_count() {
        assert!(has_word("env(\"DB\")", "DB"));
        assert!(!has_word("MY_DB_URL", "DB"));
    }
}
