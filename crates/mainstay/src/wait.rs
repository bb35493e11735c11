//! A runtime for commands that wait for something.

use crate::exit::Exit;
use crate::failure::Failure;

/// Runs to the end, unless somebody presses Ctrl-C.
pub(crate) fn block_on<T>(task: impl Future<Output = Result<T, Failure>>) -> Result<T, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .max_blocking_threads(2)
        .build()
        .map_err(|error| Failure::of(Exit::No, &error))?;
    let result = runtime.block_on(task);
    runtime.shutdown_background();
    result
}

/// As [`block_on`], ended by Ctrl-C.
pub(crate) fn block_on_until_interrupted<T>(
    task: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    block_on(async {
        tokio::select! {
            result = task => result,
            _ = tokio::signal::ctrl_c() => Err(Failure::Said(Exit::Interrupted)),
        }
    })
}
