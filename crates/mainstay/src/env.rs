//! The only reader of the process environment.

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

/// Where toolchains live when it is not `HOME`, and the way to package registries.
const BUILDS: &[&str] = &[
    "CARGO_HOME",
    "RUSTUP_HOME",
    "RUSTUP_TOOLCHAIN",
    "JAVA_HOME",
    "MAVEN_OPTS",
    "NODE_EXTRA_CA_CERTS",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "http_proxy",
    "https_proxy",
    "no_proxy",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
];

/// What the program wants to know of its environment.
#[derive(Clone, Debug)]
pub(crate) struct Env {
    /// `MAINSTAY_ENV`: which environment of the manifest is meant.
    pub(crate) environment: Option<String>,
    /// `NO_COLOR` or `TERM=dumb`: no colours, no live view.
    pub(crate) plain: bool,
    /// `XDG_RUNTIME_DIR`: where sockets go.
    pub(crate) runtime: Option<PathBuf>,
    /// `PATH`, `HOME`, `LANG`, `TZ`: what processes are given.
    pub(crate) passed: BTreeMap<String, String>,
    /// What builds need to find their tools, and nothing else is given.
    pub(crate) builds: BTreeMap<String, String>,
    /// `SUDO_UID` and `SUDO_GID`: who typed `sudo`.
    pub(crate) invoker: Option<(u32, u32)>,
}

impl Env {
    /// Reads it, once, at the start.
    pub(crate) fn read() -> Self {
        let dumb = variable("TERM").is_some_and(|term| term == "dumb");
        let passed = ["PATH", "HOME", "LANG", "TZ"];
        let passed = passed.iter().filter_map(|name| Some(((*name).to_owned(), variable(name)?)));
        let builds = BUILDS.iter().filter_map(|name| Some(((*name).to_owned(), variable(name)?)));
        let number = |name| variable(name)?.parse::<u32>().ok();
        Self {
            environment: variable("MAINSTAY_ENV").filter(|name| !name.is_empty()),
            plain: dumb || variable("NO_COLOR").is_some_and(|value| !value.is_empty()),
            runtime: raw("XDG_RUNTIME_DIR").filter(|path| !path.is_empty()).map(PathBuf::from),
            passed: passed.collect(),
            builds: builds.collect(),
            invoker: number("SUDO_UID").zip(number("SUDO_GID")),
        }
    }
}

fn raw(name: &str) -> Option<OsString> {
    env::var_os(name)
}

/// A variable that is not UTF-8 cannot be what any of these are.
fn variable(name: &str) -> Option<String> {
    raw(name)?.into_string().ok()
}
