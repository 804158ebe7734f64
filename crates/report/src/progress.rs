use std::time::Duration;

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Done now.
    Done,
    /// Nothing had to be done.
    Unchanged,
    /// It failed; the error itself is in the result.
    Failed,
    /// It was left out, because something that it needs is not there.
    Skipped,
}

/// Objects and bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Amount {
    /// Objects.
    pub objects: u64,
    /// Bytes.
    pub bytes: u64,
}

/// Receives progress from libraries. Every method may be left out.
///
/// Steps may overlap; a label identifies a step while it runs.
pub trait Observer: Send + Sync {
    /// A step begins.
    fn started(&self, label: &str) {
        let _ = label;
    }

    /// A step that takes long is still running; `detail` says where it stands.
    fn waiting(&self, label: &str, detail: &str) {
        let _ = (label, detail);
    }

    /// Of a step that moves objects, `done` of `total` are done.
    fn advanced(&self, label: &str, done: Amount, total: Amount) {
        let _ = (label, done, total);
    }

    /// A step has ended after `took`.
    fn finished(&self, label: &str, outcome: Outcome, took: Duration) {
        let _ = (label, outcome, took);
    }
}

/// An observer that ignores everything.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Observer for Silent {}
