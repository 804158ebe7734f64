//! The program against a local AWS: what it changes, what it refuses, what it survives.

mod apply;
mod bad_input;
mod faults;
mod locks;
mod stage;
