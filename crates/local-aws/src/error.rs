//! Why a local AWS could not be started.

use std::io;
use std::path::PathBuf;

/// Why a local AWS could not be started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// No Python.
    #[error("run {} (Python 3.10 or newer is needed)", python.display())]
    PythonMissing {
        /// What was tried.
        python: PathBuf,
        /// Why it did not run.
        source: io::Error,
    },
    /// Python before 3.10.
    #[error("use {} {major}.{minor}: Python 3.10 or newer is needed", python.display())]
    PythonTooOld {
        /// What was tried.
        python: PathBuf,
        /// The 3 of Python 3.9.
        major: u32,
        /// The 9 of Python 3.9.
        minor: u32,
    },
    /// `python -m venv` failed.
    #[error("make a Python environment: {output}")]
    Venv {
        /// What it wrote.
        output: String,
    },
    /// The emulator could not be installed.
    #[error("install {name} from the Python package index: {output}")]
    Packages {
        /// Package and version.
        name: &'static str,
        /// What the installer wrote.
        output: String,
    },
    /// There is no home directory, thus no cache directory.
    #[error("find a cache directory")]
    NoCache,
    /// A file of the cache directory could not be written.
    #[error("write {}", path.display())]
    Cache {
        /// File or directory.
        path: PathBuf,
        /// What the file system answered.
        source: io::Error,
    },
    /// The port could not be had.
    #[error("listen on 127.0.0.1:{port}")]
    Port {
        /// The port asked for.
        port: u16,
        /// The system's reason, most often that another program has it.
        source: io::Error,
    },
    /// The log file could not be opened.
    #[error("open the log file {}", path.display())]
    LogFile {
        /// The file that was named for the log.
        path: PathBuf,
        /// What the file system answered.
        source: io::Error,
    },
    /// There is no randomness to make a secret of.
    #[error("read /dev/urandom")]
    Secret {
        /// What the system answered.
        source: io::Error,
    },
    /// The base runs no code of this service.
    #[error("have {base} run the code of {service}: only ministack and docker do that")]
    NoExecution {
        /// As [`crate::Base`] prints it.
        base: String,
        /// As [`crate::Execution`] prints it.
        service: String,
    },
    /// The child process could not be run.
    #[error("run the emulator")]
    Child {
        /// What the system answered when it was to be started.
        source: io::Error,
    },
    /// The child process ended before it had a port.
    #[error("get a port for the emulator: {output}")]
    NoPort {
        /// What it wrote.
        output: String,
    },
    /// The base did not begin to answer.
    #[error("get an answer from the base {base}: {why}{}", after(output))]
    NotReady {
        /// As [`crate::Base`] prints it.
        base: String,
        /// What was seen.
        why: String,
        /// What it wrote.
        output: String,
    },
    /// No container engine answers.
    #[error("reach a container engine: {why}")]
    NoEngine {
        /// What was seen.
        why: String,
    },
    /// The image could not be fetched.
    #[error("fetch the image {image}: {why}")]
    Image {
        /// Name and tag.
        image: String,
        /// What was seen.
        why: String,
    },
    /// The engine answers, but the container does not run.
    #[error("run the emulator in a container")]
    Container {
        /// What the engine answered.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The base's URL is not `http://HOST:PORT`.
    #[error("use {url:?} as the base: it must be http://HOST:PORT")]
    Url {
        /// What was given for a URL.
        url: String,
    },
}

/// Output on lines of its own.
fn after(output: &str) -> String {
    if output.is_empty() {
        String::new()
    } else {
        format!("\n{output}")
    }
}

impl StartError {
    /// Whether this machine lacks something that a test may be skipped for: Python, `venv`, the way to
    /// the package index, a container engine, its image.
    pub fn cannot_run_here(&self) -> bool {
        matches!(
            self,
            Self::PythonMissing { .. }
                | Self::PythonTooOld { .. }
                | Self::Venv { .. }
                | Self::Packages { .. }
                | Self::NoEngine { .. }
                | Self::Image { .. }
        )
    }

    /// What to do about it.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::PythonMissing { .. } | Self::PythonTooOld { .. } => {
                Some("install Python 3.10 or newer")
            }
            Self::Venv { .. } => Some("on Debian and Ubuntu: apt-get install python3-venv"),
            Self::Packages { .. } => {
                Some("the package index must be reachable once; pip's own settings apply")
            }
            Self::NoEngine { .. } => Some("DOCKER_HOST names the engine's socket"),
            Self::Port { .. } => Some("another program has the port: choose another, or 0 for any"),
            _ => None,
        }
    }
}
