//! Which route a request takes: host first, then the longest path.
//!
//! Paths are kept sorted, and each knows the longest one that is its own prefix. The greatest entry
//! not above the requested path is found by bisection; every entry that is a prefix of the
//! requested path is that entry or one of its ancestors. So a thousand routes cost ten comparisons,
//! and a path full of slashes costs no more than another.
//!
//! Routes with a host come first; those without one serve what is left.

use std::collections::HashMap;

use plan::RoutePlan;

use crate::http1;

/// The routes of one listener.
#[derive(Debug, Default)]
pub(crate) struct RouteTable {
    hosts: HashMap<Vec<u8>, PathTable>,
    any: PathTable,
}

#[derive(Debug, Default)]
struct PathTable {
    entries: Vec<Entry>,
    /// What begins each entry's path, as a number of the same order: bisection stays in a few
    /// cache lines until paths are almost the same.
    keys: Vec<u64>,
}

#[derive(Debug)]
struct Entry {
    path: Box<[u8]>,
    route: usize,
    parent: Option<usize>,
}

/// Longer hosts are no names, so they cannot be in the table.
const LONGEST_HOST: usize = 255;

impl RouteTable {
    /// Builds the table of the routes given, each with its index.
    pub(crate) fn new<'a>(routes: impl Iterator<Item = (usize, &'a RoutePlan)>) -> Self {
        let mut table = Self::default();
        for (index, route) in routes {
            let paths = match &route.host {
                Some(host) => {
                    table.hosts.entry(host.to_ascii_lowercase().into_bytes()).or_default()
                }
                None => &mut table.any,
            };
            paths.add(route.path.as_bytes(), index);
        }
        table.any.finish();
        table.hosts.values_mut().for_each(PathTable::finish);
        table
    }

    /// The index of the route for a host as sent and a normal path.
    pub(crate) fn find(&self, host: &[u8], path: &[u8]) -> Option<usize> {
        if self.hosts.is_empty() {
            return self.any.find(path);
        }
        let name = http1::without_port(host);
        let mut lower = [0; LONGEST_HOST];
        let specific = lower.get_mut(..name.len()).and_then(|lower| {
            lower.copy_from_slice(name);
            lower.make_ascii_lowercase();
            self.hosts.get(&*lower)
        });
        specific.and_then(|paths| paths.find(path)).or_else(|| self.any.find(path))
    }
}

impl PathTable {
    fn add(&mut self, path: &[u8], route: usize) {
        self.entries.push(Entry { path: path.into(), route, parent: None });
    }

    fn finish(&mut self) {
        // The first of two equal paths wins; `check` has reported the second.
        self.entries.sort_by(|left, right| left.path.cmp(&right.path));
        self.entries.dedup_by(|later, earlier| later.path == earlier.path);
        let mut ancestors: Vec<usize> = Vec::new();
        let mut parents = Vec::with_capacity(self.entries.len());
        for (index, entry) in self.entries.iter().enumerate() {
            while let Some(&last) = ancestors.last()
                && !self.entries.get(last).is_some_and(|last| entry.path.starts_with(&last.path))
            {
                ancestors.pop();
            }
            parents.push(ancestors.last().copied());
            ancestors.push(index);
        }
        for (entry, parent) in self.entries.iter_mut().zip(parents) {
            entry.parent = parent;
        }
        self.keys = self.entries.iter().map(|entry| key(&entry.path)).collect();
    }

    fn find(&self, path: &[u8]) -> Option<usize> {
        let sought = key(path);
        let smaller = self.keys.partition_point(|key| *key < sought);
        let rest = self.keys.get(smaller..).unwrap_or_default();
        let equal = rest.partition_point(|key| *key == sought);
        let candidates = self.entries.get(smaller..smaller + equal).unwrap_or_default();
        let after = smaller + candidates.partition_point(|entry| &*entry.path <= path);
        let mut candidate = after.checked_sub(1);
        while let Some(entry) = candidate.and_then(|index| self.entries.get(index)) {
            if entry.matches(path) {
                return Some(entry.route);
            }
            candidate = entry.parent;
        }
        None
    }
}

/// The first eight bytes as a number that orders as they do; shorter paths are filled with zeros,
/// which no path holds.
fn key(path: &[u8]) -> u64 {
    match path.first_chunk::<8>() {
        Some(start) => u64::from_be_bytes(*start),
        None => path
            .iter()
            .zip(0..)
            .fold(0, |key, (byte, place)| key | u64::from(*byte) << (56 - 8 * place)),
    }
}

impl Entry {
    /// Prefixes match on whole segments.
    fn matches(&self, path: &[u8]) -> bool {
        match path.strip_prefix(&*self.path) {
            None => false,
            Some([] | [b'/', ..]) => true,
            Some(_) => self.path.ends_with(b"/"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn table(routes: &[(&str, &str)]) -> (RouteTable, Vec<String>) {
        let plans: Vec<RoutePlan> = routes
            .iter()
            .map(|(host, path)| RoutePlan {
                name: format!("{host}{path}"),
                listener: None,
                host: (!host.is_empty()).then(|| (*host).to_owned()),
                path: (*path).to_owned(),
                upstream: String::new(),
                strip: false,
                timeout: Duration::ZERO,
                retries: 0,
            })
            .collect();
        let names = plans.iter().map(|plan| plan.name.clone()).collect();
        (RouteTable::new(plans.iter().enumerate()), names)
    }

    fn check(routes: &[(&str, &str)], request: (&str, &str), expected: Option<&str>) {
        let (table, names) = table(routes);
        let found = table.find(request.0.as_bytes(), request.1.as_bytes());
        assert_eq!(found.map(|index| names[index].as_str()), expected, "{request:?}");
    }

    #[test]
    fn the_longest_prefix_of_whole_segments_wins() {
        let routes = [("", "/"), ("", "/api"), ("", "/api-x"), ("", "/api/v2/"), ("", "/api/v2/z")];
        check(&routes, ("h", "/"), Some("/"));
        check(&routes, ("h", "/apis"), Some("/"));
        check(&routes, ("h", "/api"), Some("/api"));
        check(&routes, ("h", "/api/foo"), Some("/api"));
        check(&routes, ("h", "/api/v2"), Some("/api"));
        check(&routes, ("h", "/api/v2/"), Some("/api/v2/"));
        check(&routes, ("h", "/api/v2/y"), Some("/api/v2/"));
        check(&routes, ("h", "/api/v2/zz"), Some("/api/v2/"));
        check(&routes, ("h", "/api/v2/z/1"), Some("/api/v2/z"));
        check(&routes[1..], ("h", "/x"), None);
    }

    #[test]
    fn a_route_with_the_host_comes_before_one_without() {
        let routes = [("a.example", "/"), ("", "/api"), ("b.example", "/only")];
        check(&routes, ("A.Example.:8080", "/api"), Some("a.example/"));
        check(&routes, ("c.example", "/api"), Some("/api"));
        check(&routes, ("b.example", "/api"), Some("/api"));
        check(&routes, ("c.example", "/"), None);
        check(&routes, (&"x".repeat(300), "/api"), Some("/api"));
    }

    #[test]
    fn bisection_finds_what_a_walk_over_all_routes_finds() {
        let segments = ["", "a", "b", "ab", "a-", "a0"];
        let mut paths: Vec<String> = Vec::new();
        for first in segments {
            for second in segments {
                paths.push(format!("/{first}/{second}"));
                paths.push(format!("/{first}"));
            }
        }
        paths.sort();
        paths.dedup();
        let routes: Vec<(&str, &str)> =
            paths.iter().step_by(2).map(|path| ("", path.as_str())).collect();
        let (table, names) = table(&routes);
        for path in &paths {
            let matching = routes.iter().filter(|(_, prefix)| {
                path == prefix
                    || path
                        .strip_prefix(*prefix)
                        .is_some_and(|rest| prefix.ends_with('/') || rest.starts_with('/'))
            });
            let expected = matching.map(|(_, prefix)| *prefix).max_by_key(|prefix| prefix.len());
            let found = table.find(b"h", path.as_bytes()).map(|index| names[index].as_str());
            assert_eq!(found, expected, "{path}");
        }
    }
}
