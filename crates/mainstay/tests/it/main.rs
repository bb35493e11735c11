//! The real binary in real directories: what people and scripts see of it.

mod check;
mod cli;
mod init;
mod reference;
mod secret;
mod stage;
mod up;
