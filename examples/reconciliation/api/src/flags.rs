//! Flags: switches that change while the process runs.
//!
//! The file is read each time a flag is asked for, which is once per run; so there is nothing to
//! reload. Without a file, or without the flag in it, the variable counts, and then `false`.

use std::fs;

use serde_json::Value;

use crate::config::FlagSources;
use crate::log;

/// Whether descriptions are compared the new way.
pub fn new_matcher(sources: &FlagSources) -> bool {
    let Some(path) = &sources.file else {
        return sources.new_matcher.unwrap_or(false);
    };
    let flags = fs::read(path)
        .map_err(|error| error.to_string())
        .and_then(|text| serde_json::from_slice::<Value>(&text).map_err(|error| error.to_string()));
    match flags {
        Ok(flags) => flags["new-matcher"].as_bool().or(sources.new_matcher).unwrap_or(false),
        Err(reason) => {
            log::warn("flags cannot be read", &[("reason", reason.into())]);
            sources.new_matcher.unwrap_or(false)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(file: Option<&str>, variable: Option<bool>, expected: bool) {
        let path = std::env::temp_dir().join(format!("flags-{}.json", std::process::id()));
        if let Some(text) = file {
            fs::write(&path, text).unwrap();
        }
        let sources = FlagSources { file: file.map(|_| path.clone()), new_matcher: variable };
        assert_eq!(new_matcher(&sources), expected, "{file:?} {variable:?}");
        let _ = fs::remove_file(path);
    }

    #[test]
    fn the_file_counts_before_the_variable_and_the_variable_before_nothing() {
        check(None, None, false);
        check(None, Some(true), true);
        check(Some(r#"{"new-matcher": false}"#), Some(true), false);
        check(Some(r#"{"new-matcher": true}"#), None, true);
        check(Some(r#"{"other": true}"#), Some(true), true);
        check(Some("{half"), Some(true), true);
    }
}
