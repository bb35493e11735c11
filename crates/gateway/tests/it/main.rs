//! The gateway from outside: real sockets, real processes.

mod origin;
mod rig;
mod routing;
