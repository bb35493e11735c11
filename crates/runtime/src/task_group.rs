//! Tasks with names that somebody waits for.
//!
//! A detached task dies silently; here the owner of the group learns which task ended and how,
//! and dropping the group aborts what is left.

use std::collections::HashMap;

use tokio::task::{Id, JoinError, JoinSet};

/// How a task ended.
#[derive(Debug)]
pub struct TaskExit<T> {
    /// The name it was spawned with.
    pub name: String,
    /// Its value, or that it panicked or was aborted.
    pub result: Result<T, JoinError>,
}

/// A set of named tasks.
#[derive(Debug)]
pub struct TaskGroup<T> {
    tasks: JoinSet<T>,
    names: HashMap<Id, String>,
}

impl<T: Send + 'static> TaskGroup<T> {
    /// An empty group.
    #[must_use]
    pub fn new() -> Self {
        Self { tasks: JoinSet::new(), names: HashMap::new() }
    }

    /// Starts a task on the current runtime.
    pub fn spawn(
        &mut self,
        name: impl Into<String>,
        task: impl Future<Output = T> + Send + 'static,
    ) {
        let handle = self.tasks.spawn(task);
        self.names.insert(handle.id(), name.into());
    }

    /// Waits for the next task to end; `None` when there is none. Safe to drop at any time.
    pub async fn next(&mut self) -> Option<TaskExit<T>> {
        let (id, result) = match self.tasks.join_next_with_id().await? {
            Ok((id, value)) => (id, Ok(value)),
            Err(error) => (error.id(), Err(error)),
        };
        let name = self.names.remove(&id).expect("every task was given a name at its start");
        Some(TaskExit { name, result })
    }

    /// How many have not been reported by [`TaskGroup::next`].
    #[must_use]
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    /// Aborts what is left and waits until it is gone.
    pub async fn stop(&mut self) {
        self.tasks.shutdown().await;
        self.names.clear();
    }
}

impl<T: Send + 'static> Default for TaskGroup<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_is_reported_with_the_name_of_its_task() {
        let mut group = TaskGroup::<()>::new();
        group.spawn("careless", async { panic!("oops") });
        let exit = group.next().await.unwrap();
        assert_eq!(exit.name, "careless");
        assert!(exit.result.unwrap_err().is_panic());
        assert!(group.next().await.is_none());
    }
}
