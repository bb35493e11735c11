//! One request to stop, heard by many, that can be made more urgent but never taken back.

use tokio::sync::watch;

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Stage {
    Running,
    Draining,
    Urgent,
}

/// A handle to the request; every clone hears and may raise it.
#[derive(Clone, Debug)]
pub struct Shutdown {
    sender: watch::Sender<Stage>,
}

impl Shutdown {
    /// Nobody asked yet.
    #[must_use]
    pub fn new() -> Self {
        Self { sender: watch::Sender::new(Stage::Running) }
    }

    /// Asks to stop in order.
    pub fn request(&self) {
        self.raise(Stage::Draining);
    }

    /// Asks to cut every deadline short.
    pub fn hurry(&self) {
        self.raise(Stage::Urgent);
    }

    /// Whether somebody asked.
    #[must_use]
    pub fn requested(&self) -> bool {
        Stage::Running < *self.sender.borrow()
    }

    /// Waits until somebody asks to stop. Safe to drop at any time.
    pub async fn wait(&self) {
        self.reached(Stage::Draining).await;
    }

    /// Waits until somebody asks to hurry. Safe to drop at any time.
    pub async fn wait_hurry(&self) {
        self.reached(Stage::Urgent).await;
    }

    fn raise(&self, stage: Stage) {
        self.sender.send_if_modified(|current| {
            let raised = *current < stage;
            if raised {
                *current = stage;
            }
            raised
        });
    }

    async fn reached(&self, stage: Stage) {
        let mut receiver = self.sender.subscribe();
        receiver
            .wait_for(|current| stage <= *current)
            .await
            .map(drop)
            .expect("the sender lives as long as `self`");
    }
}

impl Default for Shutdown {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_late_listener_still_hears_it_and_urgency_is_not_taken_back() {
        let shutdown = Shutdown::new();
        assert!(!shutdown.requested());
        shutdown.clone().hurry();
        shutdown.request();
        shutdown.wait().await;
        shutdown.wait_hurry().await;
    }
}
