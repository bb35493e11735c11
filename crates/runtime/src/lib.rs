//! What every long-lived process needs and that means nothing by itself: named tasks, orderly
//! shutdown, the real clock, messages over Unix sockets, files written whole.

mod frame;
mod shutdown;
mod state_file;
mod system_clock;
mod task_group;

pub use frame::{FrameError, FrameReader, FrameWriter, LARGEST_FRAME, split};
pub use shutdown::Shutdown;
pub use state_file::{StateFile, StateFileError};
pub use system_clock::SystemClock;
pub use task_group::{TaskExit, TaskGroup};
