//! Stopping what runs, and the proof that it is gone.

use std::fmt;
use std::path::Path;
use std::time::Duration;

use base::Clock as _;
use runtime::SystemClock;
use supervisor::{Proof, StopProgress, Supervisor};

use crate::commands::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::place::Place;

/// How long a supervisor that just starts may take to listen.
const LISTENS: Duration = Duration::from_secs(5);

/// How long the lock may be held after the supervisor said that it has finished.
const LETS_GO: Duration = Duration::from_secs(10);

const PAUSE: Duration = Duration::from_millis(20);

/// What became of a run.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    /// Whether there was anything to stop.
    pub(crate) was_running: bool,
    /// What was looked for and found.
    pub(crate) proof: Proof,
    /// From the request to the proof.
    pub(crate) took: Duration,
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let seconds = self.took.as_secs_f64();
        if self.proof.clean() {
            let killed = match self.proof.killed.len() {
                0 => String::new(),
                number => format!(", {number} leftover killed"),
            };
            return write!(
                f,
                "everything is gone: 0 processes, 0 ports, 0 sockets left{killed} ({seconds:.1} s)"
            );
        }
        let Proof { left, ports_still_open, sockets_left, .. } = &self.proof;
        write!(
            f,
            "not everything is gone: {} processes, {} ports, {} sockets left",
            left.len(),
            ports_still_open.len(),
            sockets_left.len()
        )?;
        for process in left {
            write!(f, "\n  process {} (`{}`)", process.pid, process.command)?;
        }
        for address in ports_still_open {
            match supervisor::port_holder(*address) {
                Some(holder) => write!(f, "\n  {address}, by {holder}")?,
                None => write!(f, "\n  {address}")?,
            }
        }
        for socket in sockets_left {
            write!(f, "\n  {}", socket.display())?;
        }
        Ok(())
    }
}

/// Stops what runs at a place, telling about it; Ctrl-C cuts deadlines short.
pub(crate) async fn stop(context: &Context, place: &Place) -> Result<Ended, Failure> {
    let clock = SystemClock::new();
    let was_running = place.supervisor().is_some();
    if was_running && let Some(supervisor) = connect(place).await? {
        let out = context.output;
        let stopping = supervisor.stop(|progress| {
            if !out.is_json() {
                out.note(&sentence(&progress));
            }
        });
        tokio::pin!(stopping);
        let mut interrupts = 0_u32;
        // What follows proves the end; a connection that breaks here changes nothing.
        loop {
            tokio::select! {
                _ended_or_lost = &mut stopping => break,
                _ = tokio::signal::ctrl_c() => {
                    interrupts += 1;
                    if 1 < interrupts {
                        return Err(Failure::Said(Exit::Interrupted));
                    }
                    out.note("not waiting any longer");
                    drop(supervisor.hurry().await);
                }
            }
        }
    }
    prove(place, was_running, &clock).await
}

/// Waits until the last process has let go, and looks for what is left.
pub(crate) async fn prove(
    place: &Place,
    was_running: bool,
    clock: &SystemClock,
) -> Result<Ended, Failure> {
    let begun = clock.now();
    while place.supervisor().is_some() && clock.now() < begun + LETS_GO {
        tokio::time::sleep(PAUSE).await;
    }
    let (state, runtime) = (place.location.state.clone(), place.location.runtime.clone());
    let swept = tokio::task::spawn_blocking(move || sweep(&state, &runtime)).await;
    let proof = swept.map_err(|error| Failure::of(Exit::Bug, &error))??;
    if proof.clean() && place.supervisor().is_none() {
        tidy_up(place);
    }
    Ok(Ended { was_running, proof, took: clock.now() })
}

/// Removes what the processes of the run listened on and left, which nobody answers any more.
fn tidy_up(place: &Place) {
    // Without the lock, another `up` may just be making its own.
    let Ok(_lock) = place.lock() else { return };
    let location = &place.location;
    let sockets =
        [location.control_socket(), location.gateway_socket(), location.supervisor_socket()];
    for path in sockets {
        // Most are gone already; one that stays hinders nobody, and the next run replaces it.
        drop(std::fs::remove_file(path));
    }
    // Only when nothing else is in it.
    drop(std::fs::remove_dir(&location.runtime));
}

fn sweep(state: &Path, runtime: &Path) -> Result<Proof, Failure> {
    supervisor::sweep(state, runtime)
        .map_err(|error| Failure::of(Exit::TryAgain, &error).help("run `mainstay down` again"))
}

/// Reaches the supervisor; one that just starts is waited for, one that just ended is none.
async fn connect(place: &Place) -> Result<Option<Supervisor>, Failure> {
    let socket = place.location.supervisor_socket();
    let mut waited = Duration::ZERO;
    loop {
        match Supervisor::connect(&socket).await {
            Ok(supervisor) => return Ok(Some(supervisor)),
            Err(_ended) if place.supervisor().is_none() => return Ok(None),
            Err(error) if LISTENS <= waited => {
                let pid = place.supervisor().unwrap_or(0);
                return Err(Failure::of(Exit::Unavailable, &error).help(format!(
                    "if process {pid} hangs, run `kill -9 {pid}`, then `mainstay down`"
                )));
            }
            Err(_starting) => {}
        }
        tokio::time::sleep(PAUSE).await;
        waited += PAUSE;
    }
}

/// What is being waited for, in words.
pub(crate) fn sentence(progress: &StopProgress) -> String {
    match progress {
        StopProgress::Draining => "draining: requests in progress are finished".to_owned(),
        StopProgress::Instances { ids, .. } => format!("stopping {}", ids.join(", ")),
        StopProgress::Control => "stopping control".to_owned(),
        StopProgress::Hurried => "not waiting any longer".to_owned(),
        StopProgress::Ended => "every process has ended".to_owned(),
    }
}
