//! What the supervisor is told at its start, once; everything else comes with a plan.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::time::Duration;

use plan::UserPlan;

/// How the supervisor is started.
#[derive(Debug)]
pub struct Options {
    /// The state directory: logs in `logs`, the supervisor's own record in `supervisor.json`.
    pub state: PathBuf,
    /// A short private directory; the supervisor listens on `supervisor.sock` in it.
    pub runtime: PathBuf,
    /// The platform's own processes, kept running from start to end.
    pub platform: Vec<PlatformProcess>,
    /// So many sockets are opened per listener, one for each thread of the gateway.
    pub gateway_threads: usize,
    /// A pipe held by whoever started this one in the foreground; its end means: stop in order.
    pub leash: Option<OwnedFd>,
    /// Names this run in environment markers and cgroups; unique, letters, digits and `-`.
    pub run_id: String,
    /// Whether cgroups may be made where the machine allows it.
    pub cgroups: bool,
    /// `PATH`, `LANG`, `TZ`, `HOME` as children get them; `HOME` is replaced where a user is.
    pub environment: BTreeMap<String, String>,
    /// When log files are cut and how many are kept.
    pub rotation: Rotation,
    /// Started as a second keeper, with a pipe as its input, should the first one be killed.
    /// The program must call [`crate::keep`] with the same state directory.
    pub keeper: Option<(PathBuf, Vec<String>)>,
}

/// One of the platform's own processes.
#[derive(Clone, Debug)]
pub struct PlatformProcess {
    /// `control` or `gateway`; the one called `gateway` is stopped first, the others last.
    pub name: String,
    /// Absolute path of the program.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Its environment besides `PATH`, `HOME`, `LANG`, `TZ`.
    pub environment: BTreeMap<String, String>,
    /// Whether it is given the listening sockets, over a socket that it finds as descriptor 3.
    pub sockets: bool,
    /// Who runs it; left out: whoever runs the supervisor.
    pub user: Option<UserPlan>,
    /// How long it may take to stop (a gateway drains) before it is killed.
    pub deadline: Duration,
}

/// When log files are cut and how many are kept.
#[derive(Clone, Copy, Debug)]
pub struct Rotation {
    /// A file that has grown beyond this is set aside.
    pub bytes: u64,
    /// So many files are kept per process, the current one included.
    pub files: u32,
}

impl Default for Rotation {
    fn default() -> Self {
        Self { bytes: 16 << 20, files: 4 }
    }
}
