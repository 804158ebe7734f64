//! Which failbacks of this machine are under way, for the next one that finds locks of theirs.

use std::fs::File;
use std::path::{Path, PathBuf};

use directories::ProjectDirs;
use state_backend::{LockHolder, LockInfo};

/// A folder with a file for each failback, which its process keeps locked as long as it lives: the system unlocks it
/// however the process ends.
pub(super) struct Runs {
    folder: Option<PathBuf>,
    holder: LockHolder,
}

/// A failback that is under way.
pub(super) struct Begun {
    path: PathBuf,
    _locked: File,
}

impl Begun {
    /// It has ended, and nobody will ask for it any more. Where it has left a lock, the file stays and tells that it has.
    pub(super) fn end(self) {
        // One that stays says no more than that nobody has it locked.
        let _ = std::fs::remove_file(&self.path);
    }
}

impl Runs {
    pub(super) fn open(holder: &LockHolder) -> Self {
        let folders = ProjectDirs::from("", "", "init-backend");
        let folder = folders.map(|folders| {
            let state = folders.state_dir();
            let state = state.unwrap_or_else(|| folders.data_local_dir());
            state.join("runs")
        });
        Self {
            folder,
            holder: holder.clone(),
        }
    }

    fn file(&self, run: &str) -> Option<PathBuf> {
        Some(self.folder.as_ref()?.join(format!("{run}.lock")))
    }

    /// Says that this failback is under way. Where that cannot be written down, the next one cannot tell that this one has
    /// ended, and leaves its locks to whoever knows.
    pub(super) fn begin(&self) -> Option<Begun> {
        let path = self.file(&self.holder.run())?;
        match begin(&path) {
            Ok(locked) => Some(Begun {
                path,
                _locked: locked,
            }),
            Err(error) => {
                tracing::warn!(%error, "cannot write down that this failback is under way");
                // Unlocked, it would say that this run has ended.
                let _ = std::fs::remove_file(&path);
                None
            }
        }
    }

    /// Whether the failback that took a lock was on this machine, of this user, and has no process any more. Of another
    /// machine's nothing is known.
    pub(super) fn have_ended(&self, info: &LockInfo) -> bool {
        let run = info.failback_run().filter(|_| info.who == self.holder.who);
        let file = run.and_then(|run| self.file(run));
        let file = file.and_then(|path| File::open(path).ok());
        file.is_some_and(|file| file.try_lock().is_ok())
    }
}

fn begin(path: &Path) -> std::io::Result<File> {
    if let Some(folder) = path.parent() {
        files::create_secret_folder(folder)?;
    }
    let file = files::create_secret(path)?;
    file.try_lock()?;
    Ok(file)
}
