//! Everything about one process that must be known before the fork, and the fork.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;

use base::Secret;
use plan::{CommandPlan, UserPlan};
use rustix::process::Pid;

use crate::cgroup::Cgroup;
use crate::sys::{self, Confinement};

/// The variable that names the run a process belongs to.
pub(crate) const RUN: &str = "MAINSTAY_RUN";

/// The variable that names the instance a process belongs to.
pub(crate) const INSTANCE: &str = "MAINSTAY_INSTANCE";

/// Why a process could not be started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LaunchError {
    #[error("`{}` does not exist", .0.display())]
    NoProgram(PathBuf),
    #[error("`{}` is not an executable file", .0.display())]
    NotExecutable(PathBuf),
    #[error("the working directory `{}` does not exist", .0.display())]
    NoDirectory(PathBuf),
    #[error("secret `{0}` is not known")]
    NoSecret(String),
    #[error("cannot start `{}` in `{}`{}", program.display(), directory.display(), as_user(user.as_deref()))]
    Refused {
        program: PathBuf,
        directory: PathBuf,
        user: Option<String>,
        #[source]
        source: io::Error,
    },
}

fn as_user(user: Option<&str>) -> String {
    user.map_or_else(String::new, |user| format!(" as user `{user}`"))
}

/// What every process of a run is given.
#[derive(Debug)]
pub(crate) struct Surroundings {
    /// `PATH`, `LANG`, `TZ`, `HOME` of whoever started the supervisor.
    pub(crate) environment: BTreeMap<String, String>,
    /// The run's name.
    pub(crate) run: String,
}

/// A process about to be started.
#[derive(Debug)]
pub(crate) struct Launch {
    pub(crate) name: String,
    pub(crate) program: PathBuf,
    pub(crate) arguments: Vec<String>,
    pub(crate) environment: Vec<(String, Secret)>,
    pub(crate) directory: PathBuf,
    pub(crate) user: Option<UserPlan>,
    pub(crate) cgroup: Cgroup,
    pub(crate) data_limit: Option<u64>,
    pub(crate) reads_input: bool,
    pub(crate) inherited: Option<OwnedFd>,
    pub(crate) dies_with_parent: bool,
    /// Whether everything it leaves behind is looked for when it ends, or only its group.
    pub(crate) thorough: bool,
    pub(crate) surroundings: Arc<Surroundings>,
}

/// A process that was started.
#[derive(Debug)]
pub(crate) struct Launched {
    pub(crate) pid: u32,
    pub(crate) start: u64,
    pub(crate) input: Option<OwnedFd>,
    pub(crate) output: OwnedFd,
    pub(crate) error: OwnedFd,
}

impl Launch {
    /// A launch of a plan's command, with its secrets filled in.
    pub(crate) fn of(
        name: &str,
        command: &CommandPlan,
        secrets: &BTreeMap<String, Secret>,
        surroundings: &Arc<Surroundings>,
    ) -> Result<Self, LaunchError> {
        let mut environment = Vec::new();
        for (name, template) in &command.environment {
            let value = template.fill(secrets).map_err(LaunchError::NoSecret)?;
            environment.push((name.clone(), value));
        }
        Ok(Self {
            name: name.to_owned(),
            program: command.program.clone(),
            arguments: command.arguments.clone(),
            environment,
            directory: command.directory.clone(),
            user: command.user.clone(),
            cgroup: Cgroup::default(),
            data_limit: None,
            reads_input: false,
            inherited: None,
            dies_with_parent: true,
            thorough: true,
            surroundings: Arc::clone(surroundings),
        })
    }

    /// Starts it. Blocks until the program runs or cannot.
    pub(crate) fn start(self) -> Result<Launched, LaunchError> {
        let program = self.program.clone();
        let directory = self.directory.clone();
        let user = self.user.as_ref().map(|user| user.name.clone());
        self.spawn().map_err(|source| explain(program, directory, user, source))
    }

    fn spawn(self) -> io::Result<Launched> {
        let mut command = Command::new(&self.program);
        command.args(&self.arguments).env_clear().process_group(0);
        command.envs(&self.surroundings.environment);
        if let Some(user) = &self.user {
            command.env("HOME", home(user)).env("USER", &user.name).env("LOGNAME", &user.name);
        }
        command.envs(self.environment.iter().map(|(name, value)| (name, value.reveal())));
        command.env(RUN, &self.surroundings.run).env(INSTANCE, &self.name);
        command.stdin(if self.reads_input { Stdio::piped() } else { Stdio::null() });
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let parent = Pid::from_raw(i32::try_from(std::process::id()).unwrap_or(0));
        let confinement = Confinement {
            parent: parent.ok_or(io::ErrorKind::Other)?,
            cgroups: self.cgroup.entrances()?,
            data_limit: self.data_limit,
            user: changed_user(self.user.as_ref()),
            directory: CString::new(self.directory.as_os_str().as_bytes())?,
            inherited: self.inherited,
            dies_with_parent: self.dies_with_parent,
        };
        sys::confine(&mut command, confinement);
        let mut child = command.spawn()?;
        let pid = child.id();
        let missing = || io::Error::other("a pipe that was asked for is missing");
        Ok(Launched {
            pid,
            // It cannot have been reaped yet: only the calling thread reaps.
            start: crate::process_table::process(pid).map_or(0, |process| process.start),
            input: child.stdin.take().map(OwnedFd::from),
            output: child.stdout.take().map(OwnedFd::from).ok_or_else(missing)?,
            error: child.stderr.take().map(OwnedFd::from).ok_or_else(missing)?,
        })
    }
}

/// Only root can become somebody else, and nobody needs to become who they are.
fn changed_user(user: Option<&UserPlan>) -> Option<(u32, u32)> {
    let own = rustix::process::geteuid().as_raw();
    user.filter(|user| user.uid != own).map(|user| (user.uid, user.gid))
}

/// A user's home by /etc/passwd; `/` when it has none there.
fn home(user: &UserPlan) -> String {
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let home = users.lines().find_map(|line| {
        let fields: Vec<&str> = line.split(':').collect();
        let found = fields.get(2)?.parse() == Ok(user.uid) && *fields.first()? == user.name;
        found.then(|| fields.get(5).copied())?
    });
    home.filter(|home| !home.is_empty()).unwrap_or("/").to_owned()
}

/// The system's errors do not say what they are about: "no such file" can be the program, its
/// interpreter or the directory.
fn explain(
    program: PathBuf,
    directory: PathBuf,
    user: Option<String>,
    source: io::Error,
) -> LaunchError {
    let executable = |path: &Path| {
        fs::metadata(path)
            .is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
    };
    match source.kind() {
        io::ErrorKind::NotFound if !directory.exists() => LaunchError::NoDirectory(directory),
        io::ErrorKind::NotFound if !program.exists() => LaunchError::NoProgram(program),
        io::ErrorKind::PermissionDenied if program.exists() && !executable(&program) => {
            LaunchError::NotExecutable(program)
        }
        _ => LaunchError::Refused { program, directory, user, source },
    }
}
