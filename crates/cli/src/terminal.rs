//! How the terminal is set, kept while a question reads single keys: a program that is ended meanwhile would leave its
//! terminal without echo and line editing.

#[cfg(unix)]
use std::sync::{Mutex, PoisonError};

#[cfg(unix)]
use rustix::termios::{OptionalActions, QueueSelector, Termios, tcflush, tcgetattr, tcsetattr};

#[cfg(unix)]
static BEFORE: Mutex<Option<Termios>> = Mutex::new(None);

/// What [`put_back`] goes back to, until this is dropped.
pub(crate) struct Kept;

impl Kept {
    /// Keeps how standard input's terminal is set now.
    pub(crate) fn now() -> Self {
        #[cfg(unix)]
        keep(tcgetattr(std::io::stdin()).ok());
        Self
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        #[cfg(unix)]
        keep(None);
    }
}

#[cfg(unix)]
fn keep(settings: Option<Termios>) {
    *BEFORE.lock().unwrap_or_else(PoisonError::into_inner) = settings;
}

/// Forgets what was typed before a question was there to be answered.
pub(crate) fn forget_typed() {
    // What is no terminal holds back nothing.
    #[cfg(unix)]
    let _ = tcflush(std::io::stdin(), QueueSelector::IFlush);
}

/// Sets the terminal as it was before the question that is being asked, if one is.
pub(crate) fn put_back() {
    #[cfg(unix)]
    if let Some(settings) = &*BEFORE.lock().unwrap_or_else(PoisonError::into_inner) {
        // Nothing is left to be done where the terminal is gone.
        let _ = tcsetattr(std::io::stdin(), OptionalActions::Now, settings);
    }
}
