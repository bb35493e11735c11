//! The machine's processes as /proc shows them.
//!
//! A process id alone means nothing: it is given away again. Whoever remembers a process remembers
//! its start time too, and compares both.

use std::collections::HashSet;
use std::fs;

use rustix::process::{Pid, Signal};

/// One process, at one moment.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    pub(crate) parent: u32,
    pub(crate) group: u32,
    pub(crate) session: u32,
    pub(crate) state: char,
    pub(crate) threads: u64,
    /// In ticks since boot; with the pid it names a process for good.
    pub(crate) start: u64,
    /// User and system time in ticks, exited and awaited children included.
    pub(crate) ticks: u64,
    /// The name of its program, cut to 15 bytes by the kernel.
    pub(crate) name: String,
}

impl Process {
    /// Whether it can still do something or hold something: a main thread is shown as dead while
    /// others still are on their way out, with the sockets they share still open.
    pub(crate) const fn alive(&self) -> bool {
        !matches!(self.state, 'Z' | 'X') || 1 < self.threads
    }
}

/// Looks one process up.
pub(crate) fn process(pid: u32) -> Option<Process> {
    parse(pid, &fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// All processes; those that end meanwhile are left out.
pub(crate) fn processes() -> Vec<Process> {
    pids().filter_map(process).collect()
}

fn pids() -> impl Iterator<Item = u32> {
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
}

/// `pid (name) state parent group session ...`; the name may hold spaces and parentheses.
fn parse(pid: u32, stat: &str) -> Option<Process> {
    let (head, rest) = stat.rsplit_once(')')?;
    let name = head.split_once('(')?.1.to_owned();
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let number = |index: usize| fields.get(index)?.parse::<u64>().ok();
    let id = |index: usize| u32::try_from(number(index)?).ok();
    Some(Process {
        pid,
        state: fields.first()?.chars().next()?,
        parent: id(1)?,
        group: id(2)?,
        session: id(3)?,
        ticks: number(11)? + number(12)? + number(13)? + number(14)?,
        threads: number(17)?,
        start: number(19)?,
        name,
    })
}

/// The descendants of the roots among `all`, the roots left out.
pub(crate) fn descendants<'a>(all: &'a [Process], roots: &HashSet<u32>) -> Vec<&'a Process> {
    let mut family = roots.clone();
    let mut found = Vec::new();
    loop {
        let before = family.len();
        for process in all {
            if family.contains(&process.parent) && family.insert(process.pid) {
                found.push(process);
            }
        }
        if family.len() == before {
            return found;
        }
    }
}

/// Whether the process was started with this variable; what cannot be read does not have it.
pub(crate) fn has_marker(pid: u32, marker: &str) -> bool {
    fs::read(format!("/proc/{pid}/environ")).is_ok_and(|environment| {
        environment.split(|byte| *byte == 0).any(|variable| variable == marker.as_bytes())
    })
}

/// The process itself and everything above it.
pub(crate) fn own_line() -> HashSet<u32> {
    let mut line = HashSet::new();
    let mut pid = std::process::id();
    while pid != 0 && line.insert(pid) {
        pid = process(pid).map_or(0, |process| process.parent);
    }
    line
}

/// The proportional share of memory of a process, else its resident size.
pub(crate) fn memory(pid: u32) -> Option<(u64, bool)> {
    let field = |text: &str, name: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_ascii_whitespace().next()?.parse::<u64>().ok()
    };
    if let Ok(rollup) = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))
        && let Some(kib) = field(&rollup, "Pss:")
    {
        return Some((kib << 10, true));
    }
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    Some((field(&status, "VmRSS:")? << 10, false))
}

/// Kills a process if it is still the one that was seen.
pub(crate) fn kill(seen: &Process) {
    if process(seen.pid).is_none_or(|now| now.start != seen.start) {
        return;
    }
    send(seen.pid, Signal::KILL);
}

/// Whether a process that was seen can still do something.
///
/// One that is on its way out has lost its environment and its cgroup before it closes its sockets,
/// so that only its number, with its start, tells when it is really gone.
pub(crate) fn lives(seen: &Process) -> bool {
    process(seen.pid).is_some_and(|now| now.start == seen.start && now.alive())
}

/// Signals a process; one that is gone needs no signal.
pub(crate) fn send(pid: u32, signal: Signal) {
    if let Some(pid) = pid_of(pid) {
        rustix::process::kill_process(pid, signal).ok();
    }
}

/// Signals a process group; one that is gone needs no signal.
pub(crate) fn send_group(group: u32, signal: Signal) {
    if let Some(group) = pid_of(group) {
        rustix::process::kill_process_group(group, signal).ok();
    }
}

fn pid_of(pid: u32) -> Option<Pid> {
    // 1 as a group means everybody, and as a process is never ours.
    i32::try_from(pid).ok().filter(|pid| 1 < *pid).and_then(Pid::from_raw)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_and_spaces_does_not_confuse() {
        let stat = "7 (a) b (c)) S 1 7 7 0 -1 4194560 1 2 3 4 10 20 1 2 20 0 1 0 5555 9 9";
        let process = parse(7, stat).unwrap();
        assert_eq!(process.name, "a) b (c)");
        assert_eq!((process.parent, process.start, process.ticks), (1, 5555, 33));
    }

    #[test]
    fn descendants_are_found_whatever_their_order() {
        let process = |pid, parent| Process {
            pid,
            parent,
            group: pid,
            session: pid,
            state: 'S',
            threads: 1,
            start: 1,
            ticks: 0,
            name: String::new(),
        };
        let all = [process(9, 8), process(8, 5), process(7, 1)];
        let found = descendants(&all, &HashSet::from([5]));
        assert_eq!(found.iter().map(|process| process.pid).collect::<Vec<_>>(), [8, 9]);
    }
}
