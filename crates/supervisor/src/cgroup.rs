//! Control groups: who belongs to an instance, what it may use, what it uses, and a way to kill all
//! of it that nothing escapes.
//!
//! Three kinds of machine exist: the unified hierarchy (v2), the old ones (v1), and both at once,
//! where the unified one has no controllers left but still knows its members and can kill them.
//! Each instance therefore gets a directory in every hierarchy that can be written, and each
//! question is put to the one that answers it best.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use plan::LimitsPlan;

/// The CPU quota's period in microseconds; the kernel's default.
const PERIOD: u64 = 100_000;

/// So many rounds of killing until a v1 group is given up; a fork bomb needs several.
const ROUNDS: u32 = 100;

/// What a hierarchy is good for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Unified,
    Memory,
    Cpu,
    Accounting,
}

/// The hierarchies in which this run has a directory.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cgroups {
    roots: Vec<(Kind, PathBuf)>,
}

/// The directories of one instance.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cgroup {
    directories: Vec<(Kind, PathBuf)>,
}

impl Cgroups {
    /// Makes this run's directories wherever that is allowed.
    pub(crate) fn make(run: &str) -> Self {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let mut roots: Vec<(Kind, PathBuf)> = Vec::new();
        for line in mounts.lines() {
            let Some(mount) = Mount::parse(line, &own) else { continue };
            for kind in &mount.kinds {
                if roots.iter().any(|(known, _)| known == kind) {
                    continue;
                }
                if let Some(root) = mount.make(*kind, run) {
                    roots.push((*kind, root));
                }
            }
        }
        // What is allowed is only known by doing it: the files' owners do not tell.
        if !can_enter(&roots) {
            roots.retain(|root| {
                let entered = can_enter(std::slice::from_ref(root));
                if !entered {
                    remove_tree(&root.1);
                }
                entered
            });
        }
        Self { roots }
    }

    /// The directories, for the record.
    pub(crate) fn paths(&self) -> Vec<PathBuf> {
        self.roots.iter().map(|(_, root)| root.clone()).collect()
    }

    /// Makes an instance's directories and writes its limits.
    ///
    /// Also returns what of the limits cannot be enforced.
    pub(crate) fn create(&self, name: &str, limits: LimitsPlan) -> io::Result<(Cgroup, Vec<Lack>)> {
        let mut directories = Vec::new();
        for (kind, root) in &self.roots {
            let directory = root.join(crate::log_line::file_name(name));
            // One that is left, empty, may have other limits.
            fs::remove_dir(&directory).ok();
            match fs::create_dir(&directory) {
                Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
                _ => directories.push((*kind, directory)),
            }
        }
        let cgroup = Cgroup { directories };
        let mut lacks = Vec::new();
        if !cgroup.limit_memory(limits.memory.map(|bytes| bytes.0)) {
            lacks.push(Lack::Memory);
        }
        if !cgroup.limit_cpu(limits.cpu_millis) {
            lacks.push(Lack::Cpu);
        }
        Ok((cgroup, lacks))
    }

    /// Removes what is empty; what is not belongs to somebody who still lives.
    pub(crate) fn remove(&self) {
        for root in self.paths() {
            remove_tree(&root);
        }
    }
}

/// A limit that cgroups cannot enforce here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Lack {
    Memory,
    Cpu,
}

impl Cgroup {
    /// Whether it knows its members.
    pub(crate) const fn exists(&self) -> bool {
        !self.directories.is_empty()
    }

    /// The files through which a child enters.
    pub(crate) fn entrances(&self) -> io::Result<Vec<OwnedFd>> {
        let mut entrances = Vec::new();
        for (_, directory) in &self.directories {
            let file = OpenOptions::new().write(true).open(directory.join("cgroup.procs"))?;
            entrances.push(file.into());
        }
        Ok(entrances)
    }

    fn of(&self, wanted: Kind) -> Option<&Path> {
        let found = self.directories.iter().find(|(kind, _)| *kind == wanted);
        found.map(|(_, directory)| directory.as_path())
    }

    fn limit_memory(&self, bytes: Option<u64>) -> bool {
        let Some(bytes) = bytes else { return true };
        let in_unified = self.of(Kind::Unified).is_some_and(|directory| {
            // Without this, a machine with swap turns the limit into slowness.
            write(directory, "memory.swap.max", "0").ok();
            write(directory, "memory.oom.group", "1").ok();
            write(directory, "memory.max", &bytes.to_string()).is_ok()
        });
        in_unified
            || self.of(Kind::Memory).is_some_and(|directory| {
                write(directory, "memory.limit_in_bytes", &bytes.to_string()).is_ok()
            })
    }

    fn limit_cpu(&self, millis: Option<u32>) -> bool {
        let Some(millis) = millis else { return true };
        let quota = u64::from(millis) * PERIOD / 1_000;
        let in_unified = self.of(Kind::Unified).is_some_and(|directory| {
            write(directory, "cpu.max", &format!("{quota} {PERIOD}")).is_ok()
        });
        in_unified
            || self.of(Kind::Cpu).is_some_and(|directory| {
                write(directory, "cpu.cfs_period_us", &PERIOD.to_string()).is_ok()
                    && write(directory, "cpu.cfs_quota_us", &quota.to_string()).is_ok()
            })
    }

    /// The processes in it that still live.
    pub(crate) fn members(&self) -> Vec<u32> {
        let mut members: Vec<u32> =
            self.directories.iter().flat_map(|(_, directory)| members(directory)).collect();
        members.sort_unstable();
        members.dedup();
        members
    }

    /// Kills everything in it.
    pub(crate) fn kill(&self) {
        for (_, directory) in &self.directories {
            kill_tree(directory);
        }
    }

    /// How often the kernel killed something in it for want of memory.
    pub(crate) fn out_of_memory_kills(&self) -> u64 {
        let count = |kind, file| {
            let directory = self.of(kind)?;
            field(&fs::read_to_string(directory.join(file)).ok()?, "oom_kill ")
        };
        count(Kind::Unified, "memory.events")
            .or_else(|| count(Kind::Memory, "memory.oom_control"))
            .unwrap_or(0)
    }

    /// Microseconds of CPU time of everything that ever was in it.
    pub(crate) fn cpu_micros(&self) -> Option<u64> {
        if let Some(directory) = self.of(Kind::Unified)
            && let Ok(stat) = fs::read_to_string(directory.join("cpu.stat"))
            && let Some(micros) = field(&stat, "usage_usec ")
        {
            return Some(micros);
        }
        let directory = self.of(Kind::Accounting)?;
        let nanos = fs::read_to_string(directory.join("cpuacct.usage")).ok()?;
        Some(nanos.trim().parse::<u64>().ok()? / 1_000)
    }

    /// Anonymous and shared memory of everything in it. Page cache is left out: it is given back
    /// on demand, and would make every database look full.
    pub(crate) fn memory(&self) -> Option<u64> {
        if let Some(directory) = self.of(Kind::Unified)
            && let Ok(stat) = fs::read_to_string(directory.join("memory.stat"))
        {
            return Some(field(&stat, "anon ")? + field(&stat, "shmem ")?);
        }
        let stat = fs::read_to_string(self.of(Kind::Memory)?.join("memory.stat")).ok()?;
        Some(field(&stat, "total_rss ")? + field(&stat, "total_shmem ").unwrap_or(0))
    }

    /// Removes it once it is empty.
    pub(crate) fn remove(&self) {
        for (_, directory) in &self.directories {
            remove_tree(directory);
        }
    }
}

/// A mounted hierarchy, seen from this process.
#[derive(Debug)]
struct Mount {
    kinds: Vec<Kind>,
    /// This process's own directory, then everything above it.
    candidates: Vec<PathBuf>,
}

impl Mount {
    /// `id parent device root point options ... - type source super`.
    fn parse(line: &str, own: &str) -> Option<Self> {
        let (head, tail) = line.split_once(" - ")?;
        let head: Vec<&str> = head.split_ascii_whitespace().collect();
        let tail: Vec<&str> = tail.split_ascii_whitespace().collect();
        let (root, point) = (head.get(3)?, head.get(4)?);
        let controllers: Vec<&str> = tail.get(2)?.split(',').collect();
        let (kinds, key) = match *tail.first()? {
            "cgroup2" => (vec![Kind::Unified], ""),
            "cgroup" => {
                let known =
                    [("memory", Kind::Memory), ("cpu", Kind::Cpu), ("cpuacct", Kind::Accounting)];
                let found = known.into_iter().filter(|(name, _)| controllers.contains(name));
                let found: Vec<(&str, Kind)> = found.collect();
                let key = found.first()?.0;
                (found.into_iter().map(|(_, kind)| kind).collect(), key)
            }
            _ => return None,
        };
        let path = own.lines().find_map(|line| {
            let mut fields = line.splitn(3, ':').skip(1);
            let names = fields.next()?;
            names.split(',').any(|name| name == key).then(|| fields.next())?
        })?;
        let within = path.strip_prefix(root.trim_end_matches('/')).unwrap_or(path);
        let own = Path::new(point).join(within.trim_start_matches('/'));
        let candidates = own.ancestors().take_while(|path| path.starts_with(point));
        Some(Self { kinds, candidates: candidates.map(Path::to_owned).collect() })
    }

    /// Makes `mainstay/<run>` in this process's directory; in the unified hierarchy in the nearest
    /// one above it whose controllers can be passed down, which a directory with processes cannot.
    fn make(&self, kind: Kind, run: &str) -> Option<PathBuf> {
        let directories = |base: &Path| [base.join("mainstay"), base.join("mainstay").join(run)];
        let make = |base: &Path| -> Option<PathBuf> {
            let [ours, root] = directories(base);
            // Another run that ends may take the common directory away in between.
            (0..5).find(|_| fs::create_dir_all(&root).is_ok())?;
            if kind == Kind::Unified {
                pass_controllers(&ours);
                pass_controllers(&root);
            }
            Some(root)
        };
        if kind == Kind::Unified {
            for base in &self.candidates {
                pass_controllers(base);
                let passed = fs::read_to_string(base.join("cgroup.subtree_control"));
                if passed.is_ok_and(|passed| passed.contains("memory"))
                    && let Some(root) = make(base)
                    && can_enter(&[(kind, root.clone())])
                {
                    return Some(root);
                }
            }
        }
        make(self.candidates.first()?)
    }
}

/// What is not delegated stays off; whether limits work is seen when they are written.
fn pass_controllers(directory: &Path) {
    for controller in ["+memory", "+cpu"] {
        write(directory, "cgroup.subtree_control", controller).ok();
    }
}

/// Whether a child can be put there.
fn can_enter(roots: &[(Kind, PathBuf)]) -> bool {
    let trial = |(kind, root): &(Kind, PathBuf)| (*kind, root.join("trial"));
    let cgroup = Cgroup { directories: roots.iter().map(trial).collect() };
    let made = cgroup.directories.iter().all(|(_, directory)| fs::create_dir(directory).is_ok());
    let entered = made && cgroup.entrances().and_then(crate::sys::try_to_enter).is_ok();
    cgroup.remove();
    entered
}

fn write(directory: &Path, file: &str, value: &str) -> io::Result<()> {
    OpenOptions::new().write(true).open(directory.join(file))?.write_all(value.as_bytes())
}

fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name))?.trim().parse().ok()
}

fn members(directory: &Path) -> Vec<u32> {
    let text = fs::read_to_string(directory.join("cgroup.procs")).unwrap_or_default();
    text.lines()
        .filter_map(|line| line.parse().ok())
        .filter(|pid| crate::process_table::process(*pid).is_some_and(|process| process.alive()))
        .collect()
}

fn subdirectories(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter(|entry| entry.path().is_dir()).map(|entry| entry.path()).collect()
}

/// The living members of a directory and everything below it, for whoever only has the path.
pub(crate) fn tree_members(directory: &Path) -> Vec<u32> {
    let mut found = members(directory);
    for below in subdirectories(directory) {
        found.extend(tree_members(&below));
    }
    found
}

/// Kills everything in a directory and below it.
pub(crate) fn kill_tree(directory: &Path) {
    for below in subdirectories(directory) {
        kill_tree(&below);
    }
    if let Ok(mut file) = File::options().write(true).open(directory.join("cgroup.kill"))
        && file.write_all(b"1").is_ok()
    {
        return;
    }
    for _ in 0..ROUNDS {
        let members = members(directory);
        if members.is_empty() {
            return;
        }
        for pid in members {
            crate::process_table::send(pid, rustix::process::Signal::KILL);
        }
    }
}

/// Removes a directory and everything below it, and its parent when that was the last run.
pub(crate) fn remove_tree(directory: &Path) {
    for below in subdirectories(directory) {
        remove_tree(&below);
    }
    fs::remove_dir(directory).ok();
    if let Some(parent) = directory.parent()
        && parent.file_name().is_some_and(|name| name == "mainstay")
    {
        fs::remove_dir(parent).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mount_is_seen_from_where_this_process_is() {
        let own = "4:memory:/pod/abc\n1:cpu,cpuacct:/\n0::/user.slice/a.scope\n";
        let check = |line: &str, kinds: &[Kind], directory: &str| {
            let mount = Mount::parse(line, own).unwrap();
            assert_eq!(mount.kinds, kinds);
            assert_eq!(mount.candidates.first().unwrap(), Path::new(directory));
        };
        check(
            "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory",
            &[Kind::Memory],
            "/sys/fs/cgroup/memory/pod/abc",
        );
        check(
            "35 31 0:32 /pod /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory",
            &[Kind::Memory],
            "/sys/fs/cgroup/memory/abc",
        );
        check(
            "35 31 0:32 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu,cpuacct",
            &[Kind::Cpu, Kind::Accounting],
            "/sys/fs/cgroup/cpu",
        );
        check(
            "41 31 0:38 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw",
            &[Kind::Unified],
            "/sys/fs/cgroup/user.slice/a.scope",
        );
    }
}
