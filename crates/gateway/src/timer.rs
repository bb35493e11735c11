//! Deadlines of connections, exact to a tick.
//!
//! Every connection has one slot and moves its deadline several times per request, so moving must
//! cost a store and nothing else. Once per tick all slots are looked at: at eighteen thousand
//! connections that is some ten microseconds, where a timer queue would pay at every request.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::{Context, Waker};
use std::time::Duration;

/// The resolution. A timeout is never early and at most two ticks late.
pub(crate) const TICK: Duration = Duration::from_millis(50);

const NEVER: u32 = u32::MAX;

/// A span of time in ticks.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct Ticks(u32);

impl Ticks {
    /// Rounds up, plus the tick that is already running.
    pub(crate) fn at_least(duration: Duration) -> Self {
        let ticks = duration.as_millis().div_ceil(TICK.as_millis()) + 1;
        Self(u32::try_from(ticks).unwrap_or(NEVER))
    }
}

/// All deadlines of one thread.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    now: Cell<u32>,
    slots: RefCell<Vec<Slot>>,
    free: RefCell<Vec<usize>>,
}

#[derive(Debug)]
struct Slot {
    deadline: u32,
    waker: Option<Waker>,
}

impl Timers {
    /// Takes a slot, with no deadline.
    pub(crate) fn take(self: &Rc<Self>) -> Timer {
        let free = self.free.borrow_mut().pop();
        let slot = free.unwrap_or_else(|| {
            let mut slots = self.slots.borrow_mut();
            slots.push(Slot { deadline: NEVER, waker: None });
            slots.len() - 1
        });
        Timer { timers: Rc::clone(self), slot }
    }

    /// The current tick.
    pub(crate) fn now(&self) -> u32 {
        self.now.get()
    }

    /// Moves on to the tick of a time and wakes those whose deadline has passed.
    pub(crate) fn advance_to(&self, time: Duration) {
        let tick = time.as_millis() / TICK.as_millis();
        let now = u32::try_from(tick).map_or(NEVER - 1, |tick| tick.min(NEVER - 1));
        self.now.set(now);
        for slot in self.slots.borrow().iter() {
            if slot.deadline <= now
                && let Some(waker) = &slot.waker
            {
                waker.wake_by_ref();
            }
        }
    }

    /// Wakes everybody, to look at what has changed.
    pub(crate) fn wake_all(&self) {
        self.slots
            .borrow()
            .iter()
            .filter_map(|slot| slot.waker.as_ref())
            .for_each(Waker::wake_by_ref);
    }
}

/// One connection's deadline; gives its slot back when dropped.
#[derive(Debug)]
pub(crate) struct Timer {
    timers: Rc<Timers>,
    slot: usize,
}

impl Timer {
    /// Says whom to wake; once per task is enough.
    pub(crate) fn register(&self, cx: &Context<'_>) {
        self.with(|slot| match &slot.waker {
            Some(waker) if waker.will_wake(cx.waker()) => {}
            _ => slot.waker = Some(cx.waker().clone()),
        });
    }

    /// Sets the deadline that far from now.
    pub(crate) fn set(&self, after: Ticks) {
        let deadline = self.timers.now.get().saturating_add(after.0);
        self.with(|slot| slot.deadline = deadline);
    }

    /// Whether the deadline has passed.
    pub(crate) fn expired(&self) -> bool {
        let now = self.timers.now.get();
        self.with(|slot| slot.deadline <= now)
    }

    fn with<T>(&self, change: impl FnOnce(&mut Slot) -> T) -> T {
        let mut slots = self.timers.slots.borrow_mut();
        change(slots.get_mut(self.slot).expect("a timer's slot exists as long as the timer"))
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.with(|slot| *slot = Slot { deadline: NEVER, waker: None });
        self.timers.free.borrow_mut().push(self.slot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_never_early_and_moving_it_forgets_the_old_one() {
        let timers = Rc::new(Timers::default());
        let timer = timers.take();
        assert!(!timer.expired());
        timer.set(Ticks::at_least(TICK * 2));
        timers.advance_to(TICK * 2);
        assert!(!timer.expired());
        timers.advance_to(TICK * 3);
        assert!(timer.expired());
        timer.set(Ticks::at_least(TICK));
        assert!(!timer.expired());
    }

    #[test]
    fn a_slot_is_used_again_without_its_past() {
        let timers = Rc::new(Timers::default());
        let first = timers.take();
        first.set(Ticks::at_least(Duration::ZERO));
        timers.advance_to(TICK);
        assert!(first.expired());
        drop(first);
        assert!(!timers.take().expired());
        assert_eq!(timers.slots.borrow().len(), 1);
    }
}
