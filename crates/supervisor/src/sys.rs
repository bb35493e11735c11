//! The only unsafe code: fork, what a child does between fork and exec, and looking at an exited
//! child before it is reaped.
//!
//! Between fork and exec only system calls are made: another thread may have held the allocator's
//! lock when the process was copied. Whatever a child needs is therefore prepared in
//! [`Confinement`] beforehand.

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd as _, BorrowedFd, FromRawFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use rustix::process::{Gid, Pid, Resource, Rlimit, Signal, Uid};

/// The descriptor at which a child finds what it inherits.
const INHERITED: i32 = 3;

/// What a child does to itself before it becomes the program.
#[derive(Debug)]
pub(crate) struct Confinement {
    /// Whoever starts it; if that is no longer the parent, the child must not live.
    pub(crate) parent: Pid,
    /// The `cgroup.procs` files it enters, opened for writing.
    pub(crate) cgroups: Vec<OwnedFd>,
    /// The most private memory one process may map.
    pub(crate) data_limit: Option<u64>,
    /// Who it becomes.
    pub(crate) user: Option<(u32, u32)>,
    /// Where it goes; entered as the user, so that a forbidden directory is found here.
    pub(crate) directory: CString,
    /// What it finds at descriptor 3.
    pub(crate) inherited: Option<OwnedFd>,
    /// Whether it dies with the thread that started it.
    pub(crate) dies_with_parent: bool,
}

impl Confinement {
    /// Runs in the child. The order matters: cgroups need the old user's rights, and changing the
    /// user clears the parent-death signal.
    fn enter(&self) -> io::Result<()> {
        deliver_signals();
        for procs in &self.cgroups {
            rustix::io::write(procs, b"0")?;
        }
        if let Some(inherited) = &self.inherited {
            place(inherited)?;
        }
        if let Some(bytes) = self.data_limit {
            let limit = Rlimit { current: Some(bytes), maximum: Some(bytes) };
            rustix::process::setrlimit(Resource::Data, limit)?;
        }
        if let Some((user, group)) = self.user {
            let group = Gid::from_raw(group);
            rustix::thread::set_thread_groups(&[group])?;
            rustix::thread::set_thread_res_gid(group, group, group)?;
            let user = Uid::from_raw(user);
            rustix::thread::set_thread_res_uid(user, user, user)?;
        }
        rustix::process::chdir(&self.directory)?;
        if self.dies_with_parent {
            rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
            // The parent may have died before the signal was asked for.
            if rustix::process::getppid() != Some(self.parent) {
                return Err(io::Error::from_raw_os_error(libc::ESRCH));
            }
        }
        Ok(())
    }
}

/// Undoes in a child what its parents did to signals: those that this process holds back would stay
/// held across exec, and whoever started it may have had some ignored, as `nohup` does.
fn deliver_signals() {
    // SAFETY: all zeroes is a valid set; the calls take valid numbers and pointers, are allowed
    // between fork and exec, and can then not fail.
    unsafe {
        let mut none: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut none);
        libc::sigprocmask(libc::SIG_SETMASK, &raw const none, std::ptr::null_mut());
        for signal in [libc::SIGHUP, libc::SIGINT, libc::SIGQUIT, libc::SIGTERM, libc::SIGCHLD] {
            libc::signal(signal, libc::SIG_DFL);
        }
    }
}

/// Puts a descriptor where the program expects it, open across exec.
fn place(descriptor: &OwnedFd) -> io::Result<()> {
    // SAFETY: both calls only take numbers. `descriptor` is open; descriptor 3 of this child, which
    // is about to be replaced by another program, belongs to nobody who would still use it.
    let result = unsafe {
        if descriptor.as_raw_fd() == INHERITED {
            libc::fcntl(INHERITED, libc::F_SETFD, 0)
        } else {
            libc::dup2(descriptor.as_raw_fd(), INHERITED)
        }
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Has the command's child confine itself before it becomes the program.
pub(crate) fn confine(command: &mut Command, confinement: Confinement) {
    let enter = move || confinement.enter();
    // SAFETY: `enter` makes system calls only: it neither allocates nor takes a lock, and what it
    // refers to was moved into it.
    unsafe { command.pre_exec(enter) };
}

/// Starts a child that enters control groups and does nothing else.
pub(crate) fn try_to_enter(cgroups: Vec<OwnedFd>) -> io::Result<()> {
    let confinement = Confinement {
        parent: rustix::process::getpid(),
        cgroups,
        data_limit: None,
        user: None,
        directory: CString::from(c"/"),
        inherited: None,
        dies_with_parent: true,
    };
    let mut command = Command::new("/bin/true");
    confine(&mut command, confinement);
    command.status().map(drop)
}

/// Takes over the channel that a process with `sockets` finds at descriptor 3.
///
/// To be called first thing and once, by a program that was started with it.
///
/// # Errors
///
/// When there is no such descriptor.
pub fn take_inherited() -> io::Result<OwnedFd> {
    // SAFETY: the descriptor is only asked for its flags, which shows whether it is open.
    let borrowed = unsafe { BorrowedFd::borrow_raw(INHERITED) };
    rustix::io::fcntl_setfd(borrowed, rustix::io::FdFlags::CLOEXEC)?;
    // SAFETY: it is open, as the line before proved, and nobody else owns it: it was inherited for
    // this caller.
    Ok(unsafe { OwnedFd::from_raw_fd(INHERITED) })
}

/// Which side of a fork this is.
#[derive(Debug)]
pub(crate) enum Fork {
    /// The old process.
    Parent {
        /// The new one.
        child: Pid,
    },
    /// The new process.
    Child,
}

/// Splits this process in two.
///
/// # Errors
///
/// When the system refuses, or this process has more than one thread: the others, and the locks
/// they hold, would not exist in the child.
pub(crate) fn fork() -> io::Result<Fork> {
    if std::fs::read_dir("/proc/self/task")?.count() != 1 {
        return Err(io::Error::other("the process already has several threads"));
    }
    // SAFETY: there is exactly one thread, checked above, so that the child is whole.
    match unsafe { libc::fork() } {
        ..0 => Err(io::Error::last_os_error()),
        0 => Ok(Fork::Child),
        child => Ok(Fork::Parent { child: Pid::from_raw(child).ok_or(io::ErrorKind::Other)? }),
    }
}

/// A child that has exited and is not reaped yet; its id cannot be given to anybody else.
pub(crate) fn exited_child() -> Option<Pid> {
    // SAFETY: all zeroes is a valid `siginfo_t`; the kernel fills it in.
    let mut info: libc::siginfo_t = unsafe { std::mem::zeroed() };
    let options = libc::WEXITED | libc::WNOHANG | libc::WNOWAIT;
    // SAFETY: `info` outlives the call; `P_ALL` ignores the id.
    let result = unsafe { libc::waitid(libc::P_ALL, 0, &raw mut info, options) };
    if result < 0 {
        return None;
    }
    // SAFETY: after a successful `waitid` the field is filled in, or zero if there was nobody.
    Pid::from_raw(unsafe { info.si_pid() })
}

/// The signals that ask to stop, and the one that tells of an exited child.
fn watched() -> libc::sigset_t {
    // SAFETY: all zeroes is a valid set, which is emptied and added to by number.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        for signal in [libc::SIGCHLD, libc::SIGTERM, libc::SIGINT, libc::SIGHUP] {
            libc::sigaddset(&raw mut set, signal);
        }
        set
    }
}

/// Keeps these signals waiting for [`next_signal`] instead of interrupting or killing.
pub(crate) fn hold_signals(hold: bool) {
    let how = if hold { libc::SIG_BLOCK } else { libc::SIG_UNBLOCK };
    let set = watched();
    // SAFETY: the set is valid and the old one is not asked for. It cannot fail with a valid `how`.
    unsafe { libc::pthread_sigmask(how, &raw const set, std::ptr::null_mut()) };
}

/// Waits for the next of the held signals, or for the time to pass.
pub(crate) fn next_signal(milliseconds: u32) -> Option<i32> {
    let timeout = libc::timespec {
        tv_sec: libc::time_t::from(milliseconds / 1_000),
        tv_nsec: libc::c_long::from(milliseconds % 1_000) * 1_000_000,
    };
    let set = watched();
    // SAFETY: the set and the timeout are valid for the call; details are not asked for.
    let signal =
        unsafe { libc::sigtimedwait(&raw const set, std::ptr::null_mut(), &raw const timeout) };
    (0 < signal).then_some(signal)
}
