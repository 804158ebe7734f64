//! Ctrl-C and SIGTERM, heard on a thread of their own: the program's one thread may be in the middle of a computation, in
//! which it hears nothing.

use std::io;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use tokio::sync::{Notify, oneshot, watch};

/// How long a program has to begin to end by itself; one that waits for AWS does so at once. Then it is ended, as
/// whoever asked for it waits no longer than a second.
const GRACE: Duration = Duration::from_millis(500);
/// How long the last words may take: a pipe that nobody reads holds them up.
const LAST_WORDS: Duration = Duration::from_millis(250);

/// What becomes of the first interrupt.
pub(crate) enum First {
    /// It ends the program.
    Ends,
    /// It sets the flag and says so; the second ends the program.
    Drains(watch::Sender<bool>),
    /// So it is as long as somebody heeds the flag; else it ends the program.
    DrainsWhenHeeded(Arc<watch::Sender<bool>>),
}

/// The thread that listens. It ends when this goes.
pub(crate) struct Signals {
    end: watch::Receiver<Option<&'static str>>,
    ending: Arc<Notify>,
    _alive: oneshot::Sender<()>,
}

impl Signals {
    /// Listens from now on. `ended` is called where the program does not end by itself, says what there is to say, and
    /// returns the exit code; `told` is one line for whoever watches.
    ///
    /// # Errors
    /// When the system lets nobody listen.
    pub(crate) fn listen(
        first: First,
        told: impl Fn(&str) + Send + 'static,
        ended: impl FnOnce(&'static str) -> u8 + Send + 'static,
    ) -> io::Result<Self> {
        let (end, received) = watch::channel(None);
        let (alive, gone) = oneshot::channel();
        let (ready, is_ready) = mpsc::channel();
        let ending = Arc::new(Notify::new());
        let listener = Listener {
            first,
            end,
            ending: ending.clone(),
        };
        let thread = std::thread::Builder::new().name("signals".to_owned());
        thread.spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build();
            let runtime = match runtime {
                Ok(runtime) => runtime,
                Err(error) => {
                    let _ = ready.send(Err(error));
                    return;
                }
            };
            let by_force = runtime.block_on(async {
                // Before the program begins: until then the system ends it.
                let sources = match Sources::new() {
                    Ok(sources) => sources,
                    Err(error) => {
                        let _ = ready.send(Err(error));
                        return None;
                    }
                };
                let _ = ready.send(Ok(()));
                tokio::select! {
                    signal = listener.run(sources, told) => Some(signal),
                    _ = gone => None,
                }
            });
            if let Some(signal) = by_force {
                end_now(signal, ended);
            }
        })?;
        is_ready.recv().map_err(io::Error::other)??;
        Ok(Self {
            end: received,
            ending,
            _alive: alive,
        })
    }

    /// Waits for the signal that ends the program, which it then does by itself.
    pub(crate) async fn end(&mut self) -> &'static str {
        loop {
            if let Some(signal) = *self.end.borrow_and_update() {
                self.ending.notify_one();
                return signal;
            }
            if self.end.changed().await.is_err() {
                // Nobody listens any more: the thread has ended the program.
                std::future::pending::<()>().await;
            }
        }
    }
}

struct Listener {
    first: First,
    end: watch::Sender<Option<&'static str>>,
    ending: Arc<Notify>,
}

impl Listener {
    /// Returns when the program has to be ended.
    async fn run(self, mut sources: Sources, told: impl Fn(&str)) -> &'static str {
        let mut signal = sources.next().await;
        let stop = match &self.first {
            First::Ends => None,
            First::Drains(stop) => Some(stop),
            First::DrainsWhenHeeded(stop) => Some(&**stop).filter(|stop| stop.receiver_count() > 0),
        };
        if let Some(stop) = stop {
            stop.send_replace(true);
            told(&format!(
                "{signal}: finishing what is under way; once more to stop at once"
            ));
            signal = sources.next().await;
        }
        let _ = self.end.send(Some(signal));
        tokio::select! {
            () = self.ending.notified() => {}
            () = tokio::time::sleep(GRACE) => return signal,
            again = sources.next() => return again,
        }
        // It ends, and what it has to give up may take its time.
        sources.next().await
    }
}

/// Ends the process, whatever its other threads do.
fn end_now(signal: &'static str, ended: impl FnOnce(&'static str) -> u8 + Send + 'static) {
    crate::terminal::put_back();
    let (said, is_said) = mpsc::channel();
    let words = std::thread::Builder::new().spawn(move || {
        let _ = said.send(ended(signal));
    });
    let code = match words {
        Ok(_) => is_said.recv_timeout(LAST_WORDS).ok(),
        Err(_) => None,
    };
    let code = code.unwrap_or(crate::Exit::Interrupted as u8);
    std::process::exit(code.into());
}

#[cfg(unix)]
struct Sources {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Sources {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupt.recv() => "Ctrl-C",
            _ = self.terminate.recv() => "SIGTERM",
        }
    }
}

#[cfg(not(unix))]
struct Sources;

#[cfg(not(unix))]
impl Sources {
    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) -> &'static str {
        let _ = tokio::signal::ctrl_c().await;
        "Ctrl-C"
    }
}
