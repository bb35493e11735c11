//! The one permanent thread that starts, signals and reaps processes.
//!
//! It is permanent because a child's parent-death signal is tied to the thread that started it. It
//! is one, because then nothing here races: an id cannot be given to somebody else between two
//! lines, as only this thread reaps; a process is reported as started before it is reported as
//! ended; and the standard library's own wait for a failed exec never finds its child reaped.
//!
//! A leader that exits is not reaped before what it left behind was killed, since its id, which is
//! also the id of its group, is reserved that long.

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitOptions};

use crate::cgroup::Cgroup;
use crate::launch::{INSTANCE, Launch, LaunchError, Launched};
use crate::process_table::{self, Process};

/// How often a group is looked at whose leader exited while it was asked to stop.
const LINGERING: Duration = Duration::from_millis(20);

/// So many rounds of killing, a millisecond each, until the rest is left to the next look.
const KILLING: u32 = 100;

/// Names a launch until it has a process id.
pub(crate) type Ticket = u64;

/// What the thread is asked to do.
#[derive(Debug)]
pub(crate) enum Order {
    /// Start a process.
    Start { ticket: Ticket, launch: Box<Launch> },
    /// Somebody exited.
    Reap,
    /// Ask a process group to stop; what it leaves behind may take its time.
    Stop { ticket: Ticket, signal: i32 },
    /// Kill a process and everything it started.
    Kill { ticket: Ticket },
}

/// What happened to a child.
#[derive(Debug)]
pub(crate) enum Answer {
    Started {
        ticket: Ticket,
        result: Result<Launched, LaunchError>,
    },
    Exited {
        ticket: Ticket,
        code: Option<i32>,
        signal: Option<i32>,
        /// So many processes outlived it and were killed.
        left_behind: usize,
        out_of_memory: bool,
    },
}

/// The way to the thread.
///
/// The queue has no bound of its own: there are at most a few orders per process, and an order
/// must neither be dropped nor block the loop.
#[derive(Clone, Debug)]
pub(crate) struct Children {
    orders: Sender<Order>,
}

impl Children {
    /// Starts the thread; `answer` is called on it.
    pub(crate) fn start(answer: impl Fn(Answer) + Send + 'static) -> io::Result<Self> {
        let (orders, receiver) = channel();
        let nursery = Nursery { known: HashMap::new(), answer: Box::new(answer) };
        std::thread::Builder::new()
            .name("children".to_owned())
            .stack_size(256 << 10)
            .spawn(move || nursery.run(&receiver))?;
        Ok(Self { orders })
    }

    /// Gives an order.
    pub(crate) fn order(&self, order: Order) {
        // The thread ends only with the process.
        self.orders.send(order).ok();
    }
}

struct Nursery {
    known: HashMap<u32, Child>,
    answer: Box<dyn Fn(Answer) + Send>,
}

struct Child {
    ticket: Ticket,
    name: String,
    cgroup: Cgroup,
    memory_kills: u64,
    /// Whether everything it left behind is looked for, or only its group.
    thorough: bool,
    /// It was asked to stop: what it started may finish, too.
    stopping: bool,
    /// It exited and waits for the rest of its group.
    exited: bool,
}

impl Nursery {
    fn run(mut self, orders: &Receiver<Order>) {
        loop {
            let lingering = self.known.values().any(|child| child.exited);
            let order = if lingering {
                match orders.recv_timeout(LINGERING) {
                    Ok(order) => order,
                    Err(RecvTimeoutError::Timeout) => Order::Reap,
                    Err(RecvTimeoutError::Disconnected) => return,
                }
            } else {
                let Ok(order) = orders.recv() else { return };
                order
            };
            match order {
                Order::Start { ticket, launch } => self.launch(ticket, *launch),
                Order::Reap => {}
                Order::Stop { ticket, signal } => self.stop(ticket, signal),
                Order::Kill { ticket } => self.kill(ticket),
            }
            self.reap();
        }
    }

    fn launch(&mut self, ticket: Ticket, launch: Launch) {
        let child = Child {
            ticket,
            thorough: launch.thorough,
            name: launch.name.clone(),
            cgroup: launch.cgroup.clone(),
            memory_kills: launch.cgroup.out_of_memory_kills(),
            stopping: false,
            exited: false,
        };
        let result = launch.start();
        if let Ok(launched) = &result {
            self.known.insert(launched.pid, child);
        }
        (self.answer)(Answer::Started { ticket, result });
    }

    fn find(&mut self, ticket: Ticket) -> Option<(u32, &mut Child)> {
        let found = self.known.iter_mut().find(|(_, child)| child.ticket == ticket);
        found.map(|(pid, child)| (*pid, child))
    }

    fn stop(&mut self, ticket: Ticket, signal: i32) {
        let Some((pid, child)) = self.find(ticket) else { return };
        child.stopping = true;
        let signal = Signal::from_named_raw(signal).unwrap_or(Signal::TERM);
        process_table::send_group(pid, signal);
    }

    fn kill(&mut self, ticket: Ticket) {
        let Some((pid, child)) = self.find(ticket) else { return };
        child.stopping = false;
        let (name, cgroup) = (child.name.clone(), child.cgroup.clone());
        self.kill_all_of(pid, &name, &cgroup);
    }

    /// Reaps everybody who exited; orphans that came to us without a word.
    fn reap(&mut self) {
        let mut waiting = Vec::new();
        while let Some(exited) = crate::sys::exited_child() {
            let pid = exited.as_raw_nonzero().get().unsigned_abs();
            if self.known.contains_key(&pid) {
                if !self.finish(exited, pid) {
                    // It stays a zombie, and hides other zombies from the next look.
                    waiting.push(pid);
                    break;
                }
            } else {
                rustix::process::waitpid(Some(exited), WaitOptions::NOHANG).ok();
            }
        }
        if !waiting.is_empty() {
            self.reap_behind();
        }
    }

    /// One by one, where a waiting zombie stands in front of the others.
    fn reap_behind(&mut self) {
        let own = std::process::id();
        let zombies = process_table::processes().into_iter();
        let zombies = zombies.filter(|process| process.parent == own && process.state == 'Z');
        for zombie in zombies.collect::<Vec<_>>() {
            let Some(exited) = i32::try_from(zombie.pid).ok().and_then(Pid::from_raw) else {
                continue;
            };
            if self.known.contains_key(&zombie.pid) {
                self.finish(exited, zombie.pid);
            } else {
                rustix::process::waitpid(Some(exited), WaitOptions::NOHANG).ok();
            }
        }
    }

    /// Reaps a leader once nothing of it is left; `false` when something may still finish.
    fn finish(&mut self, exited: Pid, pid: u32) -> bool {
        let Some(child) = self.known.get_mut(&pid) else { return true };
        child.exited = true;
        let (name, cgroup) = (child.name.clone(), child.cgroup.clone());
        let memory_kills = child.memory_kills;
        let stopping = child.stopping;
        let ticket = child.ticket;
        let left = if child.thorough {
            remains(pid, &name, &cgroup)
        } else {
            process_table::send_group(pid, Signal::KILL);
            Vec::new()
        };
        if stopping && !left.is_empty() {
            return false;
        }
        if !left.is_empty() {
            self.kill_all_of(pid, &name, &cgroup);
        }
        let status = rustix::process::waitpid(Some(exited), WaitOptions::NOHANG).ok().flatten();
        self.known.remove(&pid);
        let out_of_memory = memory_kills < cgroup.out_of_memory_kills();
        (self.answer)(Answer::Exited {
            ticket,
            code: status.and_then(|(_, status)| status.exit_status()),
            signal: status.and_then(|(_, status)| status.terminating_signal()),
            left_behind: left.len(),
            out_of_memory,
        });
        true
    }

    /// Kills until nobody is left: a process can start another while it is being looked for.
    fn kill_all_of(&self, pid: u32, name: &str, cgroup: &Cgroup) {
        let mut seen = Vec::new();
        for _ in 0..KILLING {
            process_table::send_group(pid, Signal::KILL);
            seen.extend(remains(pid, name, cgroup));
            cgroup.kill();
            seen.retain(process_table::lives);
            if seen.is_empty() {
                return;
            }
            for process in &seen {
                process_table::kill(process);
            }
            crate::lock::pause_for(Duration::from_millis(1));
        }
    }
}

/// Who of an instance still lives, the exited leader apart.
///
/// With a cgroup that is exact. Without, it is the group, the descendants, and those orphans of
/// ours that carry the instance's name in their environment.
fn remains(leader: u32, name: &str, cgroup: &Cgroup) -> Vec<Process> {
    if cgroup.exists() {
        let members = cgroup.members().into_iter();
        return members.filter_map(process_table::process).filter(Process::alive).collect();
    }
    let all = process_table::processes();
    let own = std::process::id();
    let marker = format!("{INSTANCE}={name}");
    let mut roots = HashSet::from([leader]);
    for process in &all {
        let orphan = process.parent == own && process.pid != leader;
        if process.group == leader || (orphan && process_table::has_marker(process.pid, &marker)) {
            roots.insert(process.pid);
        }
    }
    let family: HashSet<u32> =
        process_table::descendants(&all, &roots).into_iter().map(|process| process.pid).collect();
    all.into_iter()
        .filter(|process| roots.contains(&process.pid) || family.contains(&process.pid))
        .filter(Process::alive)
        .collect()
}
