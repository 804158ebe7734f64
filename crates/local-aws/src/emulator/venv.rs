//! Private Python environments in the cache directory, made once.

use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rustix::process::geteuid;

use super::Places;
use super::process::run_module;
use crate::error::StartError;

/// An emulator from the Python package index.
#[derive(Clone, Copy, Debug)]
pub(super) struct Package {
    /// With its version, also the directory's name.
    pub(super) name: &'static str,
    /// For `pip install -r`: everything that is installed, by digest.
    requirements: &'static str,
    /// The same for what builds those that have no wheels; installed first.
    builds_with: Option<&'static str>,
    /// Run after `life.py`, in this order.
    pub(super) bootstrap: &'static [&'static str],
}

impl Package {
    pub(super) const MINISTACK: Self = Self {
        name: "ministack-1.5.33",
        requirements: include_str!("ministack.txt"),
        builds_with: None,
        bootstrap: &[
            include_str!("replication.py"),
            include_str!("s3.py"),
            include_str!("corrections.py"),
            include_str!("ec2.py"),
            include_str!("batch.py"),
            include_str!("ministack.py"),
        ],
    };
    pub(super) const MOTO: Self = Self {
        name: "moto-5.2.5",
        requirements: include_str!("moto.txt"),
        builds_with: None,
        bootstrap: &[include_str!("moto.py")],
    };
    pub(super) const LOCALSTACK: Self = Self {
        name: "localstack-4.7.0",
        requirements: include_str!("localstack.txt"),
        builds_with: Some(include_str!("localstack-build.txt")),
        bootstrap: &[include_str!("localstack.py")],
    };
}

/// The oldest Python that the emulators run on.
const OLDEST: (u32, u32) = (3, 10);

/// Written last: an environment without it was interrupted while it was made.
const MARKER: &str = "complete";

/// Returns the environment's interpreter; makes the environment if it is not there.
pub(super) async fn prepare(package: Package, places: &Places) -> Result<PathBuf, StartError> {
    let (cache, python) = (places.cache.clone(), places.python.clone());
    let made = tokio::task::spawn_blocking(move || {
        let version = python_version(&python)?;
        prepare_in(&cache, package, version, |directory| {
            make(&python, package, directory)
        })
    });
    made.await.unwrap_or_else(|panic| {
        Err(StartError::Child {
            source: io::Error::other(panic),
        })
    })
}

fn python_version(python: &Path) -> Result<(u32, u32), StartError> {
    let output = Command::new(python)
        .args(["-I", "-c", "import sys; print(*sys.version_info[:2])"])
        .stdin(Stdio::null())
        .output()
        .map_err(|source| StartError::PythonMissing {
            python: python.to_owned(),
            source,
        })?;
    let text = String::from_utf8_lossy(&output.stdout);
    let mut numbers = text.split_whitespace().map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) if (major, minor) >= OLDEST => Ok((major, minor)),
        (Some(Ok(major)), Some(Ok(minor))) => Err(StartError::PythonTooOld {
            python: python.to_owned(),
            major,
            minor,
        }),
        _ => Err(StartError::PythonMissing {
            python: python.to_owned(),
            source: io::Error::other(format!("it ended with {}", output.status)),
        }),
    }
}

/// Runs `make` at most once for all processes on this machine.
fn prepare_in(
    cache: &Path,
    package: Package,
    (major, minor): (u32, u32),
    make: impl FnOnce(&Path) -> Result<(), StartError>,
) -> Result<PathBuf, StartError> {
    // Each Python has its own: an environment is a set of links into the one that made it.
    // And each set of packages: another checkout may have others, and its programs run.
    let mut set = DefaultHasher::new();
    package.requirements.hash(&mut set);
    let set = set.finish() >> 32;
    let name = format!("{}-python{major}.{minor}-{set:08x}", package.name);
    let directory = cache.join(&name);
    let marker = directory.join(MARKER);
    let python = directory.join("bin").join("python");
    let complete = || {
        fs::read_to_string(&marker).is_ok_and(|text| text == package.requirements)
            && python.exists()
    };
    for folder in [cache, &directory] {
        only_ours(folder)?;
    }
    if complete() {
        return Ok(python);
    }
    let failed = |source| StartError::Cache {
        path: directory.clone(),
        source,
    };
    let private = |error| StartError::Cache {
        path: cache.to_owned(),
        source: error,
    };
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(cache)
        .map_err(private)?;
    let lock = File::create(cache.join(format!("{name}.lock"))).map_err(failed)?;
    lock.lock().map_err(failed)?;
    // Another process may have made it while this one waited.
    if !complete() {
        match fs::remove_dir_all(&directory) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        make(&directory)?;
        fs::write(&marker, package.requirements).map_err(failed)?;
    }
    Ok(python)
}

/// Refuses a directory in which somebody else could have put programs.
fn only_ours(folder: &Path) -> Result<(), StartError> {
    let Ok(found) = fs::metadata(folder) else {
        // It is made anew.
        return Ok(());
    };
    let of_others = found.uid() != geteuid().as_raw() && found.uid() != 0;
    if of_others || found.mode() & 0o002 != 0 {
        return Err(StartError::Cache {
            path: folder.to_owned(),
            source: io::Error::new(
                io::ErrorKind::PermissionDenied,
                "other users of this machine can change what is in it",
            ),
        });
    }
    Ok(())
}

fn make(python: &Path, package: Package, directory: &Path) -> Result<(), StartError> {
    tracing::info!(package = package.name, directory = %directory.display(), "installing the emulator, once");
    let failed = |source| StartError::Cache {
        path: directory.to_owned(),
        source,
    };

    let output = run_module(python, "venv", &[directory.as_os_str()]).map_err(failed)?;
    if !output.status.success() {
        return Err(StartError::Venv {
            output: tail(&output),
        });
    }
    let python = directory.join("bin").join("python");
    for requirements in [package.builds_with, Some(package.requirements)]
        .into_iter()
        .flatten()
    {
        let file = directory.join("requirements.txt");
        fs::write(&file, requirements).map_err(failed)?;
        let mut arguments = INSTALL.map(OsStr::new).to_vec();
        arguments.push(file.as_os_str());
        let output = run_module(&python, "pip", &arguments).map_err(failed)?;
        if !output.status.success() {
            return Err(StartError::Packages {
                name: package.name,
                output: tail(&output),
            });
        }
    }
    Ok(())
}

/// How pip installs what a file names, and nothing that it does not: what builds a package would be fetched without a
/// digest otherwise.
const INSTALL: [&str; 8] = [
    "install",
    "--quiet",
    "--no-input",
    "--disable-pip-version-check",
    "--require-hashes",
    "--no-deps",
    "--no-build-isolation",
    "-r",
];

/// The last lines of what a program wrote.
fn tail(output: &Output) -> String {
    let text = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .collect();
    lines[lines.len().saturating_sub(4)..].join("\n")
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    const VERSION: (u32, u32) = (3, 11);

    /// What `make` leaves behind, without the network.
    fn pretend(directory: &Path) {
        fs::create_dir_all(directory.join("bin")).unwrap();
        fs::write(directory.join("bin/python"), "").unwrap();
    }

    #[test]
    fn an_environment_is_made_once_and_again_when_it_was_interrupted() {
        let cache = tempfile::tempdir().unwrap();
        let made = Cell::new(0);
        let prepare = |package: Package, fail: bool| {
            prepare_in(cache.path(), package, VERSION, |directory| {
                made.set(made.get() + 1);
                assert!(!directory.exists(), "what was left is removed first");
                pretend(directory);
                if fail {
                    Err(StartError::Venv {
                        output: "interrupted".into(),
                    })
                } else {
                    Ok(())
                }
            })
        };
        assert!(matches!(
            prepare(Package::MINISTACK, true),
            Err(StartError::Venv { .. })
        ));
        let python = prepare(Package::MINISTACK, false).unwrap();
        assert!(
            python
                .to_string_lossy()
                .contains("/ministack-1.5.33-python3.11-"),
            "{}",
            python.display()
        );
        prepare(Package::MINISTACK, false).unwrap();
        assert_eq!(made.get(), 2, "the interrupted one, and one more");

        let other = Package {
            requirements: "ministack==9\n",
            ..Package::MINISTACK
        };
        prepare(other, false).unwrap();
        assert_eq!(made.get(), 3, "other versions are installed afresh");
        prepare(Package::MINISTACK, false).unwrap();
        assert_eq!(made.get(), 3, "beside the ones that others use");

        fs::remove_file(&python).unwrap();
        prepare(Package::MINISTACK, false).unwrap();
        assert_eq!(made.get(), 4, "the interpreter was removed from the system");
    }

    /// What pip would fetch by name alone may be anything.
    #[test]
    fn packages_are_all_named_by_version_and_digest() {
        for package in [Package::MINISTACK, Package::MOTO, Package::LOCALSTACK] {
            let files = [Some(package.requirements), package.builds_with];
            for line in files.into_iter().flatten().flat_map(str::lines) {
                let kind = line.split_whitespace().next().unwrap_or_default();
                if ["#", "--only-binary", "--no-binary"].contains(&kind) {
                    continue;
                }
                let digest = line.strip_prefix("    --hash=sha256:");
                let digest = digest.map(|text| text.trim_end_matches(" \\"));
                let pinned = line.contains("==") && line.ends_with(" \\");
                assert!(digest.map_or(pinned, |text| text.len() == 64), "{line:?}");
            }
        }
        assert!(INSTALL.contains(&"--require-hashes") && INSTALL.contains(&"--no-deps"));
    }

    #[test]
    fn cache_that_others_can_write_is_refused() {
        use std::os::unix::fs::PermissionsExt;
        let cache = tempfile::tempdir().unwrap();
        let open = fs::Permissions::from_mode(0o777);
        fs::set_permissions(cache.path(), open).unwrap();
        let refused = prepare_in(cache.path(), Package::MOTO, VERSION, |_| panic!("made"));
        let error = refused.unwrap_err();
        let StartError::Cache { source, .. } = &error else {
            panic!("{error}")
        };
        assert_eq!(source.kind(), io::ErrorKind::PermissionDenied);
        assert!(!error.cannot_run_here(), "no test passes over it");
    }

    #[test]
    fn many_at_once_make_one() {
        const THREADS: u32 = 8;
        let cache = tempfile::tempdir().unwrap();
        let (made, begun) = (AtomicU32::new(0), AtomicU32::new(0));
        std::thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    begun.fetch_add(1, Ordering::SeqCst);
                    prepare_in(cache.path(), Package::MOTO, VERSION, |directory| {
                        // All the others are on their way to the lock.
                        while begun.load(Ordering::SeqCst) < THREADS {
                            std::thread::yield_now();
                        }
                        made.fetch_add(1, Ordering::SeqCst);
                        pretend(directory);
                        Ok(())
                    })
                    .unwrap();
                });
            }
        });
        assert_eq!(made.into_inner(), 1);
    }

    #[test]
    fn a_python_that_is_missing_old_or_broken_is_named() {
        let missing = python_version(Path::new("/nonexistent/python3")).unwrap_err();
        assert!(missing.cannot_run_here(), "{missing}");
        let directory = tempfile::tempdir().unwrap();
        let fake = |text: &str| {
            use std::os::unix::fs::PermissionsExt;
            let path = directory.path().join("python3");
            fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
            python_version(&path)
        };
        assert!(matches!(
            fake("echo 3 9"),
            Err(StartError::PythonTooOld { minor: 9, .. })
        ));
        assert_eq!(fake("echo 3 10").unwrap(), (3, 10));
        assert!(matches!(
            fake("exit 1"),
            Err(StartError::PythonMissing { .. })
        ));
    }
}
