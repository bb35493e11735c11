//! Plays the processes that the tests need: the supervisor itself, a gateway, a control, a second
//! keeper. A program of its own, because the supervisor forks and a test's process has threads.

mod role;

use std::collections::BTreeMap;
use std::io::{IoSliceMut, Read as _, Write as _};
use std::mem::MaybeUninit;
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags};
use supervisor::{GatewayMessage, Options, PlatformProcess, Rotation};

use crate::role::{Role, Setting, argument};

fn main() -> ExitCode {
    let role = std::env::args().nth(1).expect("the role is the only argument");
    match serde_json::from_str(&role).expect("the role is JSON") {
        Role::Supervisor(setting) => supervise(setting),
        Role::Gateway => serve(),
        Role::Control => loop {
            std::thread::park();
        },
        Role::Keeper { state } => {
            supervisor::keep(&state).expect("the input is a pipe");
            ExitCode::SUCCESS
        }
    }
}

fn platform(name: &str, role: &Role, sockets: bool) -> PlatformProcess {
    PlatformProcess {
        name: name.to_owned(),
        program: own_program(),
        arguments: vec![argument(role)],
        environment: BTreeMap::new(),
        sockets,
        user: None,
        deadline: Duration::from_secs(5),
    }
}

fn own_program() -> PathBuf {
    std::env::current_exe().expect("/proc is mounted")
}

fn supervise(setting: Setting) -> ExitCode {
    let mut processes = Vec::new();
    if setting.platform {
        processes.push(platform("control", &Role::Control, false));
        processes.push(platform("gateway", &Role::Gateway, true));
    }
    let keeper = setting.second_keeper.then(|| {
        let role = Role::Keeper { state: setting.state.clone() };
        (own_program(), vec![argument(&role)])
    });
    let leash = setting.leash.then(|| {
        let stdin = std::io::stdin();
        rustix::io::fcntl_dupfd_cloexec(stdin, 3).expect("the system plays along")
    });
    let options = Options {
        state: setting.state,
        runtime: setting.runtime,
        platform: processes,
        gateway_threads: 2,
        leash,
        run_id: setting.run,
        cgroups: setting.cgroups,
        environment: BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned())]),
        rotation: Rotation::default(),
        keeper,
    };
    match supervisor::run(options) {
        Ok(code) => code,
        Err(error) => {
            writeln!(std::io::stderr(), "error: {error}").expect("the system plays along");
            ExitCode::FAILURE
        }
    }
}

/// A gateway that answers every connection with its process id.
fn serve() -> ExitCode {
    let channel = supervisor::take_inherited().expect("the system plays along");
    while let Some((message, sockets)) = receive(&channel) {
        let GatewayMessage::Open { .. } = message else { continue };
        for socket in sockets {
            let listener = TcpListener::from(socket);
            listener.set_nonblocking(false).expect("the system plays along");
            std::thread::spawn(move || answer(&listener));
        }
    }
    ExitCode::SUCCESS
}

fn answer(listener: &TcpListener) {
    for stream in listener.incoming() {
        let Ok(mut stream) = stream else { continue };
        // What is asked does not matter; an answer to a connection that was reset does not arrive.
        stream.read_exact(&mut [0; 5]).ok();
        write!(stream, "{}", std::process::id()).ok();
    }
}

fn receive(channel: &OwnedFd) -> Option<(GatewayMessage, Vec<OwnedFd>)> {
    let mut text = [0; 4096];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(253))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let flags = RecvFlags::CMSG_CLOEXEC;
    let received =
        rustix::net::recvmsg(channel, &mut [IoSliceMut::new(&mut text)], &mut control, flags)
            .expect("the system plays along");
    if received.bytes == 0 {
        return None;
    }
    let message = serde_json::from_slice(&text[..received.bytes]).expect("the system plays along");
    let mut sockets = Vec::new();
    for part in control.drain() {
        if let RecvAncillaryMessage::ScmRights(descriptors) = part {
            sockets.extend(descriptors);
        }
    }
    Some((message, sockets))
}
