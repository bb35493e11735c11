//! The admin API: over the Unix socket for the owner, over a loopback port for the console.
//!
//! Whoever can open the socket is the owner, which the file's permissions decide. A port can be
//! reached by every user and every web page of the machine, so there a request must carry the
//! run's token, name a loopback address as its host, come from the console's own origin, and, when
//! it changes something, hold a header that no form can set.

mod endpoints;
mod feed;
mod gate;
mod logs;
mod problem;
mod requests;
mod session;

use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::DefaultBodyLimit;
use axum::{Router, middleware};
use control::Handle;
use runtime::TaskGroup;
use tokio::net::{TcpListener, UnixListener};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::processes::RunArgs;

pub(crate) use endpoints::openapi;
pub(crate) use logs::{LogView, pattern};
pub(crate) use problem::Problem;
pub(crate) use requests::{ConsoleAddress, MigrateRequest};
pub(crate) use session::Session;

/// Proxies and readers tell a dead connection from a silent one by this.
const KEEP_ALIVE: Duration = Duration::from_secs(10);

/// Larger bodies are refused; the largest that is needed has a few dozen bytes.
const LARGEST_BODY: usize = 64 << 10;

/// Ports tried for the console, below those that systems give out by themselves.
const PORTS: std::ops::Range<u16> = 7400..7500;

/// What every handler may use.
#[derive(Clone, Debug)]
pub(crate) struct Server {
    handle: Handle,
    session: Arc<Session>,
}

/// Opens both listeners and serves until the tasks are stopped.
pub(crate) async fn start(
    tasks: &mut TaskGroup<()>,
    handle: Handle,
    args: &RunArgs,
) -> Result<(), Failure> {
    let location = args.location();
    let socket = location.control_socket();
    let unusable = |error: &std::io::Error| {
        Failure::new(Exit::No, format!("cannot listen on `{}`", socket.display())).because(error)
    };
    match std::fs::remove_file(&socket) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(unusable(&error)),
        _ => {}
    }
    let owner = UnixListener::bind(&socket).map_err(|error| unusable(&error))?;
    let only_owner = std::fs::Permissions::from_mode(0o600);
    std::fs::set_permissions(&socket, only_owner).map_err(|error| unusable(&error))?;

    let before = Session::load(&location);
    let wanted = args.console_port.or(before.as_ref().map(|before| before.port));
    let (port, console) = bind(wanted, args.console_port.is_some()).await?;
    let session = Arc::new(Session::begin(&location, before, &args.run, port)?);
    let server = Server { handle, session };

    let api = endpoints::router(endpoints::Side::Socket).with_state(server.clone());
    let api = api.layer(DefaultBodyLimit::max(LARGEST_BODY));
    let page = endpoints::router(endpoints::Side::Port)
        .fallback(gate::asset)
        .layer(middleware::from_fn_with_state(server.clone(), gate::gate))
        .layer(DefaultBodyLimit::max(LARGEST_BODY))
        .with_state(server);
    tasks.spawn("admin API on the socket", forever(owner, api));
    tasks.spawn("admin API and console", forever(console, page));
    Ok(())
}

async fn forever<L>(listener: L, router: Router)
where
    L: axum::serve::Listener,
    L::Addr: std::fmt::Debug,
{
    // It only returns when asked to, which nobody does; an accept that fails is tried again.
    drop(axum::serve(listener, router.into_make_service()).await);
}

/// The port that was asked for or had before, else the first that is free.
async fn bind(wanted: Option<u16>, insist: bool) -> Result<(u16, TcpListener), Failure> {
    let mut last = None;
    for port in wanted.into_iter().chain(PORTS.filter(|_| !insist)) {
        match TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
            Ok(listener) => {
                let port = listener.local_addr().map_or(port, |address| address.port());
                return Ok((port, listener));
            }
            Err(error) => last = Some((port, error)),
        }
    }
    let Some((port, error)) = last else { return Err(Failure::new(Exit::No, "no port is left")) };
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let failure = Failure::new(Exit::No, format!("the console cannot listen on {address}"));
    Err(match supervisor::port_holder(address) {
        Some(holder) => failure.line(format!("{holder} does")),
        None => failure.because(&error),
    })
}
