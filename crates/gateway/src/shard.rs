//! Everything that one thread has for itself, so that a request takes no lock and allocates
//! nothing: scratch memory, deadlines, ids, the date as text, the current snapshot.
//!
//! Scratch memory is borrowed inside one poll and never across one; what must survive a poll is
//! copied into a buffer of the connection, which is empty while the connection idles.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use arc_swap::{ArcSwap, Cache};
use base::Clock as _;
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use runtime::SystemClock;

use crate::exchange::Exchange;
use crate::limits::Limits;
use crate::metrics::Metrics;
use crate::snapshot::Snapshot;
use crate::timer::{Ticks, Timers};
use crate::trace::Ids;

/// One read takes at most this: four times 64 KiB saves a quarter of the CPU of large bodies.
pub(crate) const SCRATCH: usize = 256 << 10;

/// Buffers above this size go back to the allocator instead of being kept.
const LARGEST_KEPT: usize = 16 << 10;
/// Buffers kept per thread.
const MOST_KEPT: usize = 1024;

/// What all threads share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) snapshot: Arc<ArcSwap<Snapshot>>,
    pub(crate) metrics: Metrics,
    pub(crate) clock: SystemClock,
    pub(crate) limits: Limits,
}

/// The snapshot as one thread holds it: counted without locked instructions.
pub(crate) type View = Rc<Arc<Snapshot>>;

/// The newest snapshot seen, and how to see a newer one.
#[derive(Debug)]
struct Cached {
    cache: Cache<Arc<ArcSwap<Snapshot>>, Arc<Snapshot>>,
    view: View,
}

/// The limits in ticks.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waits {
    pub(crate) head: Ticks,
    pub(crate) idle: Ticks,
    pub(crate) stall: Ticks,
    pub(crate) silence: Ticks,
}

/// One thread's own.
#[derive(Debug)]
pub(crate) struct Shard {
    pub(crate) index: usize,
    pub(crate) shared: Arc<Shared>,
    pub(crate) scratch: RefCell<Box<[u8]>>,
    pub(crate) output: RefCell<Vec<u8>>,
    pub(crate) timers: Rc<Timers>,
    pub(crate) ids: Ids,
    pub(crate) waits: Waits,
    draining: Cell<bool>,
    /// The time at the last tick.
    ticked: Cell<Duration>,
    cached: RefCell<Cached>,
    buffers: RefCell<Vec<Vec<u8>>>,
    /// Boxes rather than values: it is the places that are kept.
    #[expect(clippy::vec_box, reason = "a move of the value is what the box saves")]
    boxes: RefCell<Vec<Box<Exchange>>>,
    date: RefCell<String>,
}

impl Shard {
    /// What a thread starts with.
    pub(crate) fn new(index: usize, shared: Arc<Shared>) -> Result<Self, getrandom::Error> {
        let view = Rc::new(shared.snapshot.load_full());
        let limits = shared.limits;
        let shard = Self {
            index,
            scratch: RefCell::new(vec![0; SCRATCH].into_boxed_slice()),
            output: RefCell::default(),
            timers: Rc::default(),
            ids: Ids::new()?,
            waits: Waits {
                head: Ticks::at_least(limits.head),
                idle: Ticks::at_least(limits.idle),
                stall: Ticks::at_least(limits.stall),
                silence: Ticks::at_least(limits.silence),
            },
            draining: Cell::new(false),
            ticked: Cell::new(shared.clock.now()),
            cached: RefCell::new(Cached { cache: Cache::new(Arc::clone(&shared.snapshot)), view }),
            buffers: RefCell::default(),
            boxes: RefCell::default(),
            date: RefCell::default(),
            shared,
        };
        shard.refresh_date();
        Ok(shard)
    }

    /// The current snapshot.
    pub(crate) fn view(&self) -> View {
        let mut cached = self.cached.borrow_mut();
        let Cached { cache, view } = &mut *cached;
        let current = cache.load();
        if !Arc::ptr_eq(current, view) {
            *view = Rc::new(Arc::clone(current));
            // Boxes hold on to the snapshot they were last used with.
            self.boxes.borrow_mut().clear();
        }
        Rc::clone(view)
    }

    /// The time since the process began.
    pub(crate) fn now(&self) -> Duration {
        self.shared.clock.now()
    }

    /// The same, as of the last tick: enough for what is only compared with seconds.
    pub(crate) fn coarse_now(&self) -> Duration {
        self.ticked.get()
    }

    /// An empty buffer.
    pub(crate) fn take_buffer(&self) -> Vec<u8> {
        self.buffers.borrow_mut().pop().unwrap_or_default()
    }

    /// Takes a buffer back.
    pub(crate) fn give_buffer(&self, mut buffer: Vec<u8>) {
        let mut buffers = self.buffers.borrow_mut();
        if 0 < buffer.capacity() && buffer.capacity() <= LARGEST_KEPT && buffers.len() < MOST_KEPT {
            buffer.clear();
            buffers.push(buffer);
        }
    }

    /// Puts an exchange into a box that was used before: its place stays the same from poll to
    /// poll, and nothing is allocated for it.
    pub(crate) fn boxed(&self, exchange: Exchange) -> Box<Exchange> {
        match self.boxes.borrow_mut().pop() {
            Some(mut place) => {
                *place = exchange;
                place
            }
            None => Box::new(exchange),
        }
    }

    /// Takes an exchange's memory back for the next one.
    pub(crate) fn recycle(&self, mut exchange: Box<Exchange>) {
        self.give_buffer(exchange.upload.take_buffer());
        let is_current = Rc::ptr_eq(&exchange.view, &self.cached.borrow().view);
        let mut boxes = self.boxes.borrow_mut();
        if is_current && boxes.len() < MOST_KEPT {
            boxes.push(exchange);
        }
    }

    /// Whether the thread is coming to its end.
    pub(crate) fn draining(&self) -> bool {
        self.draining.get()
    }

    /// Begins the end: connections close after the request they are at.
    pub(crate) fn drain(&self) {
        self.draining.set(true);
        self.timers.wake_all();
    }

    /// Appends the date as RFC 9110, 5.6.7 has it.
    pub(crate) fn push_date(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self.date.borrow().as_bytes());
    }

    /// Looks at the clock. Once a second the date is written anew and the pools are swept.
    pub(crate) fn tick(&self) {
        let now = self.now();
        let is_new_second = now.as_secs() != self.ticked.get().as_secs();
        self.ticked.set(now);
        self.timers.advance_to(now);
        if is_new_second {
            self.refresh_date();
            let mut cx = Context::from_waker(Waker::noop());
            let view = self.view();
            let oldest = self.oldest_idle();
            for endpoint in view.upstreams().iter().flat_map(|upstream| &upstream.endpoints) {
                endpoint.sweep(self.index, oldest, &mut cx);
            }
        }
    }

    /// The tick before which a connection must not have become idle to be used again.
    pub(crate) fn oldest_idle(&self) -> u32 {
        self.ticks_ago(self.shared.limits.pooled)
    }

    /// The tick that long ago.
    pub(crate) fn ticks_ago(&self, age: Duration) -> u32 {
        let ticks = age.as_millis() / crate::timer::TICK.as_millis();
        self.timers.now().saturating_sub(u32::try_from(ticks).unwrap_or(u32::MAX))
    }

    fn refresh_date(&self) {
        let now = Timestamp::try_from(self.shared.clock.wall()).unwrap_or(Timestamp::UNIX_EPOCH);
        let mut date = self.date.borrow_mut();
        date.clear();
        // Fails only for years that the form cannot hold; Date is then left empty.
        if rfc2822::DateTimePrinter::new().print_timestamp_rfc9110(&now, &mut *date).is_err() {
            date.clear();
        }
    }
}
