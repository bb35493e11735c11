//! How much CPU time and memory everything uses, measured every few seconds, and what follows from
//! it where no cgroup enforces a limit.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use base::{Bytes, Clock as _};

use crate::children::Ticket;
use crate::event::InstanceEvent;
use crate::process::Owner;
use crate::process_table::{self, Process};
use crate::record::RecordedProcess;
use crate::status::{Memory, MemorySource};
use crate::supervision::{Supervision, Timer};

/// How often.
const EVERY: Duration = Duration::from_secs(2);

/// How often the platform's own memory is: the kernel walks all pages for it.
const WEIGH: Duration = Duration::from_secs(6);

/// What was measured last.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Measured {
    pub(crate) cpu_millis: Option<u32>,
    pub(crate) cpu_seconds: Option<f64>,
    pub(crate) memory: Option<Memory>,
    micros: u64,
    at: Duration,
    /// When memory was measured.
    weighed: Duration,
}

/// What was measured last, of everybody.
#[derive(Debug, Default)]
pub(crate) struct Usage {
    instances: HashMap<Ticket, Measured>,
    processes: HashMap<u32, Measured>,
}

impl Usage {
    /// What a process and its descendants use.
    pub(crate) fn of(&self, ticket: Ticket) -> Option<&Measured> {
        self.instances.get(&ticket)
    }

    /// What one of the platform's processes uses.
    pub(crate) fn of_process(&self, pid: u32) -> Option<&Measured> {
        self.processes.get(&pid)
    }
}

impl Measured {
    fn next(previous: Option<&Self>, micros: u64, memory: Option<Memory>, at: Duration) -> Self {
        let cpu_millis = previous.and_then(|previous| {
            let elapsed = at.saturating_sub(previous.at).as_micros();
            let used = u128::from(micros.saturating_sub(previous.micros));
            u32::try_from((used * 1_000).checked_div(elapsed)?).ok()
        });
        let cpu_seconds = Some(Duration::from_micros(micros).as_secs_f64());
        Self { cpu_millis, cpu_seconds, memory, micros, at, weighed: at }
    }
}

impl Supervision {
    /// Measures everybody, and comes back.
    pub(crate) fn sample(&mut self) {
        self.set_timer(EVERY, Timer::Sample);
        let now = self.clock.now();
        // Reading all of /proc is what costs here; cgroups make it unnecessary.
        let needs_table = self.lives.values().any(|live| {
            !live.cgroup.exists() && matches!(live.owner, Owner::Instance(_) | Owner::Job(_))
        });
        let table = if needs_table { process_table::processes() } else { Vec::new() };
        let mut measured = HashMap::new();
        let mut excesses = Vec::new();
        for (ticket, live) in &self.lives {
            let (Owner::Instance(id), Some(pid)) = (&live.owner, live.pid) else { continue };
            let family = family(pid, &table);
            let micros = live.cgroup.cpu_micros().unwrap_or_else(|| cpu_micros(&family));
            let members = live.cgroup.members();
            let memory = live.cgroup.memory().map_or_else(
                || {
                    let pids: Vec<u32> = if live.cgroup.exists() {
                        members
                    } else {
                        family.iter().map(|process| process.pid).collect()
                    };
                    sum(&pids)
                },
                |bytes| Some(Memory { bytes: Bytes(bytes), source: MemorySource::Cgroup }),
            );
            let limit = self.instances.get(id).and_then(|one| one.plan.limits.memory);
            if let (Some(memory), Some(limit)) = (memory, limit)
                && memory.source != MemorySource::Cgroup
                && limit < memory.bytes
            {
                excesses.push((id.clone(), limit, memory.bytes));
            }
            let previous = self.usage.instances.get(ticket);
            measured.insert(*ticket, Measured::next(previous, micros, memory, now));
        }
        self.usage.instances = measured;
        self.sample_platform(now);
        self.note_descendants(&table);
        self.count_dropped();
        self.count_memory_kills();
        for (id, limit, used) in excesses {
            let reason = format!("memory limit of {limit} exceeded: it uses {used}");
            self.kill_instance(&id, reason, true);
        }
    }

    fn sample_platform(&mut self, now: Duration) {
        let workers = self.workers.values().filter_map(|worker| worker.ticket);
        let pids: Vec<u32> = workers
            .filter_map(|ticket| self.lives.get(&ticket)?.pid)
            .chain(self.keeper.pid)
            .chain([std::process::id()])
            .collect();
        let mut measured = HashMap::new();
        for pid in pids {
            let Some(process) = process_table::process(pid) else { continue };
            let micros = cpu_micros(&[&process]);
            let previous = self.usage.processes.get(&pid);
            let mut next = Measured::next(previous, micros, None, now);
            next.weighed = previous.map_or(Duration::ZERO, |previous| previous.weighed);
            next.memory = previous.and_then(|previous| previous.memory);
            if next.memory.is_none() || WEIGH <= now.saturating_sub(next.weighed) {
                next.memory = sum(&[pid]);
                next.weighed = now;
            }
            measured.insert(pid, next);
        }
        self.usage.processes = measured;
    }

    /// Without cgroups, descendants are written down: whoever cleans up after a crash must know
    /// even those that left their group and overwrote their environment.
    fn note_descendants(&mut self, table: &[Process]) {
        let pids: HashMap<u32, &Owner> = self
            .lives
            .values()
            .filter(|live| !live.cgroup.exists())
            .filter_map(|live| Some((live.pid?, &live.owner)))
            .collect();
        let roots: HashSet<u32> = pids.keys().copied().collect();
        let descendants = process_table::descendants(table, &roots).into_iter();
        self.orphans = descendants
            .filter(|process| process.alive())
            .map(|process| RecordedProcess {
                pid: process.pid,
                start: process.start,
                what: process.name.clone(),
            })
            .collect();
    }

    /// The kernel may kill one process of many, and the instance goes on without it.
    fn count_memory_kills(&mut self) {
        let mut hit = Vec::new();
        for live in self.lives.values_mut() {
            let Owner::Instance(id) = &live.owner else { continue };
            let kills = live.cgroup.out_of_memory_kills();
            if live.memory_kills < kills && live.ended.is_none() {
                hit.push((id.clone(), kills - live.memory_kills));
            }
            live.memory_kills = kills;
        }
        for (id, kills) in hit {
            let text =
                format!("the kernel killed {kills} of the processes of `{id}` at its memory limit");
            self.tell_instance(&id, InstanceEvent::LimitNotice { text });
        }
    }

    fn count_dropped(&mut self) {
        let dropped: Vec<(String, u64)> = self
            .lives
            .values()
            .filter_map(|live| match &live.owner {
                Owner::Instance(id) | Owner::Job(id) | Owner::Platform(id) => {
                    Some((id.clone(), live.output.take_dropped()))
                }
                Owner::Probe { .. } | Owner::Keeper => None,
            })
            .collect();
        for (id, lines) in dropped {
            self.output_dropped(&id, lines);
        }
    }
}

fn family(pid: u32, table: &[Process]) -> Vec<&Process> {
    let mut family = process_table::descendants(table, &HashSet::from([pid]));
    family.extend(table.iter().find(|process| process.pid == pid));
    family
}

fn cpu_micros(family: &[&Process]) -> u64 {
    let ticks: u64 = family.iter().map(|process| process.ticks).sum();
    ticks * 1_000_000 / rustix::param::clock_ticks_per_second().max(1)
}

fn sum(pids: &[u32]) -> Option<Memory> {
    let mut total = 0;
    let mut source = MemorySource::Pss;
    for (bytes, proportional) in pids.iter().filter_map(|pid| process_table::memory(*pid)) {
        total += bytes;
        if !proportional {
            source = MemorySource::Rss;
        }
    }
    (0 < total).then_some(Memory { bytes: Bytes(total), source })
}
