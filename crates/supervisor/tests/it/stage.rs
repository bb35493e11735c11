//! A supervisor in a process of its own, plans for it, and ways to look at it from outside.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use plan::{
    CommandPlan, InstancePlan, LimitsPlan, ListenerPlan, ProbeCheck, ProbePlan, ProbesPlan,
    RestartPolicy, StopPlan, SupervisorPlan, Template,
};
use supervisor::{Changed, InstanceStatus, Phase, Supervisor, SupervisorStatus};

use crate::role::{Role, Setting, argument};

/// What takes longer does not come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A supervisor and its directories.
pub(crate) struct Stage {
    pub(crate) directory: tempfile::TempDir,
    pub(crate) setting: Setting,
    pub(crate) process: Child,
}

impl Stage {
    /// Starts a supervisor.
    pub(crate) fn new(change: impl FnOnce(&mut Setting)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        // Others must be able to pass through on their way to what is theirs.
        set_mode(directory.path(), 0o755);
        static RUNS: AtomicU32 = AtomicU32::new(0);
        let number = RUNS.fetch_add(1, Ordering::Relaxed);
        let mut setting = Setting {
            state: directory.path().join("state"),
            runtime: directory.path().join("run"),
            run: format!("test-{}-{number}", std::process::id()),
            cgroups: true,
            platform: false,
            second_keeper: false,
            leash: false,
        };
        change(&mut setting);
        let process = start(&setting);
        let stage = Self { directory, setting, process };
        stage.wait_for_socket();
        stage
    }

    /// Starts another supervisor in the place of one that is gone.
    pub(crate) fn again(&mut self) {
        self.process.wait().unwrap();
        let before = self.supervisor_pid();
        eventually("the one before is gone", || (!alive(before)).then_some(()));
        self.setting.run.push('x');
        self.process = start(&self.setting);
        self.wait_for_socket();
    }

    fn wait_for_socket(&self) {
        let socket = self.socket();
        eventually("the supervisor listens", || {
            std::os::unix::net::UnixStream::connect(&socket).ok()
        });
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.setting.runtime.join("supervisor.sock")
    }

    pub(crate) async fn connect(&self) -> Supervisor {
        Supervisor::connect(&self.socket()).await.unwrap()
    }

    pub(crate) fn supervisor_pid(&self) -> u32 {
        eventually("the lock names its holder", || {
            let pid: u32 =
                fs::read_to_string(self.setting.state.join("lock")).ok()?.parse().ok()?;
            (pid != self.process.id()).then_some(pid)
        })
    }

    pub(crate) fn log(&self, id: &str) -> String {
        fs::read_to_string(self.setting.state.join(format!("logs/{id}.log"))).unwrap_or_default()
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        signal(self.process.id(), 15);
        for _ in 0..200 {
            if matches!(self.process.try_wait(), Ok(Some(_))) {
                break;
            }
            pause(10);
        }
        self.process.kill().ok();
        self.process.wait().ok();
        for process in with_marker(&self.setting.run) {
            signal(process, 9);
        }
    }
}

pub(crate) fn start(setting: &Setting) -> Child {
    Command::new(env!("CARGO_BIN_EXE_supervisor-actor"))
        .arg(argument(&Role::Supervisor(setting.clone())))
        .stdin(if setting.leash { Stdio::piped() } else { Stdio::null() })
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// A port of this crate's range that no other test uses.
pub(crate) fn port() -> SocketAddr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    loop {
        let start = u16::try_from(std::process::id() % 900).unwrap();
        let next = (start + NEXT.fetch_add(1, Ordering::Relaxed)) % 1_000;
        let address = SocketAddr::from(([127, 0, 0, 1], 23_000 + next));
        if supervisor::port_is_free(address) {
            return address;
        }
    }
}

/// An instance that runs a shell script.
pub(crate) fn instance(id: &str, script: &str) -> InstancePlan {
    InstancePlan {
        id: id.to_owned(),
        service: id.split('-').next().unwrap().to_owned(),
        command: shell(script),
        address: None,
        probes: ProbesPlan::default(),
        limits: LimitsPlan::default(),
        restart: RestartPolicy::Always,
        stop: StopPlan { signal: 15, deadline: Duration::from_secs(5) },
        tier: 0,
    }
}

pub(crate) fn shell(script: &str) -> CommandPlan {
    CommandPlan {
        program: "/bin/sh".into(),
        arguments: vec!["-c".to_owned(), script.to_owned()],
        environment: BTreeMap::from([("PLAN".to_owned(), Template::text("yes"))]),
        directory: "/".into(),
        user: None,
    }
}

pub(crate) fn probe(check: ProbeCheck) -> ProbePlan {
    ProbePlan {
        check,
        every: Duration::from_millis(50),
        timeout: Duration::from_secs(1),
        within: PATIENCE,
        failures: 1,
    }
}

pub(crate) fn plan(generation: u64, instances: Vec<InstancePlan>) -> Arc<SupervisorPlan> {
    Arc::new(SupervisorPlan { generation, instances, listeners: Vec::new() })
}

pub(crate) fn listening(generation: u64, listeners: &[(&str, SocketAddr)]) -> Arc<SupervisorPlan> {
    let listeners = listeners
        .iter()
        .map(|(name, address)| ListenerPlan { name: (*name).to_owned(), address: *address })
        .collect();
    Arc::new(SupervisorPlan { generation, instances: Vec::new(), listeners })
}

pub(crate) async fn apply(supervisor: &Supervisor, plan: Arc<SupervisorPlan>) {
    supervisor.apply(plan, Changed::Restart).await.unwrap();
}

/// Waits until the status is as wanted.
pub(crate) async fn status_when<T>(
    supervisor: &Supervisor,
    what: &str,
    wanted: impl Fn(&SupervisorStatus) -> Option<T>,
) -> T {
    let begun = now();
    loop {
        let status = supervisor.status().await.unwrap();
        if let Some(found) = wanted(&status) {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "{what}: {status:#?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Waits until an instance is in a phase.
pub(crate) async fn instance_in(supervisor: &Supervisor, id: &str, phase: Phase) -> InstanceStatus {
    status_when(supervisor, &format!("`{id}` is {phase:?}"), |status| {
        let found = status.instances.iter().find(|instance| instance.id == id)?;
        (found.phase == phase).then(|| found.clone())
    })
    .await
}

/// Waits until something is there.
pub(crate) fn eventually<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let begun = now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(begun.elapsed() < PATIENCE, "not in time: {what}");
        pause(2);
    }
}

pub(crate) fn now() -> Instant {
    #[expect(clippy::disallowed_methods, reason = "measures real processes")]
    Instant::now()
}

fn pause(millis: u64) {
    #[expect(clippy::disallowed_methods, reason = "between two looks at a real process")]
    std::thread::sleep(Duration::from_millis(millis));
}

/// Writes a number into a file that a test waits for.
pub(crate) fn number_in(path: &std::path::Path) -> u32 {
    eventually(&format!("a number in {}", path.display()), || {
        fs::read_to_string(path).ok().filter(|text| text.ends_with('\n'))?.trim().parse().ok()
    })
}

/// Whether a process, or only a thread of it, is not dead yet.
pub(crate) fn alive(pid: u32) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { return false };
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_ascii_whitespace().collect();
    !["Z", "X"].contains(&fields[0]) || fields[17] != "1"
}

pub(crate) fn signal(pid: u32, number: i32) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    let signal = rustix::process::Signal::from_named_raw(number).unwrap();
    rustix::process::kill_process(pid, signal).ok();
}

/// All processes of a run that still show its marker.
pub(crate) fn with_marker(run: &str) -> HashSet<u32> {
    let marker = format!("MAINSTAY_RUN={run}");
    let pids = fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| {
        alive(*pid)
            && fs::read(format!("/proc/{pid}/environ")).is_ok_and(|environment| {
                environment.split(|byte| *byte == 0).any(|one| one == marker.as_bytes())
            })
    })
    .collect()
}

pub(crate) fn set_mode(path: &std::path::Path, mode: u32) {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

pub(crate) fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}
