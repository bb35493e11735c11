//! The web console's files, inside the binary.
//!
//! A request is answered from a table that `build.rs` wrote: no path of a request is ever turned
//! into a path of this machine, so that one that climbs (`..`, `%2e%2e`, `\`, `//`) is just not in
//! the table. Nothing is decoded or normalised first; a browser asks for these names as they are.

/// One file.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Asset {
    /// For `Content-Type`.
    pub(crate) content_type: &'static str,
    /// What it holds.
    pub(crate) body: &'static [u8],
    /// For `ETag`, in its quotes.
    pub(crate) etag: &'static str,
    /// Whether its name changes with its content, so that it may be kept for ever.
    pub(crate) immutable: bool,
}

/// For `Content-Security-Policy` of every file: the page needs nothing but itself.
pub(crate) const POLICY: &str = "default-src 'self'; base-uri 'none'; form-action 'none'; \
     frame-ancestors 'none'; object-src 'none'";

/// The addresses that the page itself draws; all of them are the same file.
const PAGES: &[&str] = &["/", "/logs", "/events"];

const PAGE: &str = "/index.html";

/// Sorted by path.
static ASSETS: &[(&str, Asset)] = include!(concat!(env!("OUT_DIR"), "/console.rs"));

/// Finds the file for a request's path, without its query.
pub(crate) fn asset(path: &str) -> Option<Asset> {
    let wanted = if PAGES.contains(&path) { PAGE } else { path };
    ASSETS.iter().find(|(name, _)| *name == wanted).map(|(_, asset)| *asset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, found: bool) {
        assert_eq!(asset(path).is_some(), found, "{path}");
    }

    #[test]
    fn every_page_is_the_same_document() {
        let page = asset("/").expect("a page is always embedded");
        assert_eq!(page.content_type, "text/html; charset=utf-8");
        assert!(!page.immutable, "a new build must be seen");
        for path in PAGES {
            assert_eq!(asset(path), Some(page), "{path}");
        }
    }

    #[test]
    fn what_is_not_in_the_table_is_not_found() {
        check("", false);
        check("/nothing", false);
        check("/logs/", false);
        check("/assets/", false);
        check("/assets/nothing.js", false);
        check("/Index.html", false);
    }

    #[test]
    fn a_path_that_climbs_is_not_found() {
        for path in [
            "/..",
            "/../Cargo.toml",
            "/assets/../index.html",
            "/assets/../../src/main.rs",
            "/./index.html",
            "//index.html",
            "//etc/passwd",
            "/etc/passwd",
            "etc/passwd",
            "index.html",
            "/%2e%2e/Cargo.toml",
            "/%2e%2e%2fCargo.toml",
            "/..%2fCargo.toml",
            "/..%5cCargo.toml",
            "/%252e%252e/Cargo.toml",
            "/..\\Cargo.toml",
            "\\index.html",
            "C:\\index.html",
            "/index.html\0",
            "/index.html%00.js",
            "/index.html/",
            "/logs/../events",
        ] {
            check(path, false);
        }
    }

    #[test]
    fn only_what_carries_a_hash_in_its_name_is_immutable() {
        for (path, asset) in ASSETS {
            assert_eq!(asset.immutable, path.starts_with("/assets/"), "{path}");
        }
    }

    #[test]
    fn tags_are_quoted_and_differ() {
        for (index, (path, asset)) in ASSETS.iter().enumerate() {
            let bare = asset.etag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'));
            assert!(bare.is_some_and(|tag| tag.len() == 16), "{path}");
            let again = ASSETS.iter().skip(index + 1).any(|(_, other)| other.etag == asset.etag);
            assert!(!again, "{path} has another file's tag");
        }
    }

    #[test]
    fn the_page_asks_only_for_what_is_embedded_and_allowed() {
        let page = asset("/").expect("a page is always embedded");
        let text = str::from_utf8(page.body).expect("the page is text");
        let mut asked = 0;
        for part in text.split(['"', '\'']).filter(|part| part.starts_with('/') && *part != "/") {
            check(part, true);
            asked += 1;
        }
        assert!(0 < asked, "the page needs at least its style");
        assert!(!text.contains("style="), "the policy forbids inline style");
        assert!(!text.contains("<script>"), "the policy forbids inline scripts");
        assert!(!text.contains("http:") && !text.contains("https:"), "nothing is external");
    }
}
