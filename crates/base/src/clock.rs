//! Time as a parameter, so that tests and simulations can move it.
//!
//! The real clock is in `runtime`; decisions take `&dyn Clock` and never ask the system.

use std::time::{Duration, SystemTime};

/// A source of time.
pub trait Clock: Send + Sync {
    /// Monotonic time since an origin of the clock's choosing; never goes back.
    fn now(&self) -> Duration;

    /// Time of day, for what people read; may jump.
    fn wall(&self) -> SystemTime;
}
