//! Files that are there whole or not at all, on the disk when the call returns, and for their owner alone where they
//! hold secrets; and reading that has a limit.

use std::fs::{DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, BufRead, Read, Write};
use std::path::{Path, PathBuf};

use tempfile::NamedTempFile;

/// Who may read a file that is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Secrecy {
    /// Its owner alone (mode 0600), from its first byte on.
    Secret,
    /// Whom the user's umask lets.
    Public,
}

/// Why a file could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It cannot be read.
    #[error("cannot read {}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It has more bytes than are read.
    #[error("{} has {} bytes, and at most {limit} are read", path.display(), size(*bytes, *limit))]
    TooLarge {
        /// The file.
        path: PathBuf,
        /// How many it has, where that is known without reading them all.
        bytes: Option<u64>,
        /// How many bytes are read at most.
        limit: u64,
    },
    /// It cannot be written.
    #[error("cannot write {}", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is there already.
    #[error("{} is there already", path.display())]
    Exists {
        /// The file.
        path: PathBuf,
    },
}

fn size(bytes: Option<u64>, limit: u64) -> String {
    bytes.map_or_else(|| format!("more than {limit}"), |bytes| bytes.to_string())
}

/// The cause, for errors that name the file themselves.
impl From<FileError> for io::Error {
    fn from(error: FileError) -> Self {
        match error {
            FileError::Read { source, .. } | FileError::Write { source, .. } => source,
            FileError::Exists { .. } => Self::new(io::ErrorKind::AlreadyExists, error),
            FileError::TooLarge { .. } => Self::new(io::ErrorKind::FileTooLarge, error),
        }
    }
}

/// Writes a file in the place of an older one, or none. Whoever reads it meanwhile sees the old one or the new one.
///
/// # Errors
/// When it cannot be written; what was there before is unchanged then.
pub fn write_file(path: &Path, bytes: &[u8], secrecy: Secrecy) -> Result<(), FileError> {
    let failed = |source| FileError::Write {
        path: path.to_owned(),
        source,
    };
    let part = written_beside(path, bytes, secrecy).map_err(failed)?;
    part.persist(path).map_err(|error| failed(error.error))?;
    sync_folder(path).map_err(failed)
}

/// Writes a file that is not there yet.
///
/// # Errors
/// When it is there, or cannot be written.
pub fn write_new_file(path: &Path, bytes: &[u8], secrecy: Secrecy) -> Result<(), FileError> {
    let failed = |source: io::Error| match source.kind() {
        io::ErrorKind::AlreadyExists => FileError::Exists {
            path: path.to_owned(),
        },
        _ => FileError::Write {
            path: path.to_owned(),
            source,
        },
    };
    let part = written_beside(path, bytes, secrecy).map_err(failed)?;
    part.persist_noclobber(path)
        .map_err(|error| failed(error.error))?;
    sync_folder(path).map_err(failed)
}

/// Files that are compared whole.
const MOST_COMPARED: u64 = 1 << 20;

/// Gives a file that is about to be replaced another name beside its own, and says which: `NAME.kept-1`, or a higher number.
/// Where one of them has its content already, it is left at that.
///
/// # Errors
/// When it is not there, or the folder cannot be written to.
pub fn keep_beside(path: &Path) -> Result<PathBuf, FileError> {
    let name = path.file_name().unwrap_or_default();
    for number in 1..=u32::MAX {
        let mut kept = name.to_owned();
        kept.push(format!(".kept-{number}"));
        let kept = path.with_file_name(kept);
        match std::fs::hard_link(path, &kept) {
            Ok(()) => {
                let synced = sync_folder(&kept);
                return synced
                    .map(|()| kept.clone())
                    .map_err(|source| FileError::Write { path: kept, source });
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                let read = |path: &Path| read_limited(path, MOST_COMPARED).ok();
                if read(&kept).is_some_and(|content| Some(content) == read(path)) {
                    return Ok(kept);
                }
            }
            Err(source) => return Err(FileError::Write { path: kept, source }),
        }
    }
    Err(FileError::Exists {
        path: path.to_owned(),
    })
}

/// The bytes of a file, if it has no more than `limit` of them.
///
/// # Errors
/// When it cannot be read, or is larger.
pub fn read_limited(path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    let failed = |source| FileError::Read {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(failed)?;
    let bytes = file.metadata().map_err(failed)?.len();
    if bytes > limit {
        return Err(FileError::TooLarge {
            path: path.to_owned(),
            bytes: Some(bytes),
            limit,
        });
    }
    read_limited_from(file, path, limit)
}

/// As [`read_limited`], from a reader that `path` is the name of: `-` for standard input.
///
/// # Errors
/// When it cannot be read, or has more.
pub fn read_limited_from(reader: impl Read, path: &Path, limit: u64) -> Result<Vec<u8>, FileError> {
    let path = path.to_owned();
    let mut bytes = Vec::new();
    match reader.take(limit + 1).read_to_end(&mut bytes) {
        Ok(_) if bytes.len() as u64 <= limit => Ok(bytes),
        Ok(_) => Err(FileError::TooLarge {
            path,
            bytes: None,
            limit,
        }),
        Err(source) => Err(FileError::Read { path, source }),
    }
}

/// A new file to write bit by bit, for its owner alone from its first byte on.
///
/// # Errors
/// When it is there, or cannot be made.
pub fn create_new_secret(path: &Path) -> Result<File, FileError> {
    secret(OpenOptions::new().create_new(true).append(true), path).map_err(|source| {
        match source.kind() {
            io::ErrorKind::AlreadyExists => FileError::Exists {
                path: path.to_owned(),
            },
            _ => write_error(path, source),
        }
    })
}

/// A file for its owner alone that is written bit by bit, and gets its name when it is whole and on the disk. Dropped before
/// that, it is gone.
#[derive(Debug)]
pub struct SecretPart {
    part: NamedTempFile,
    path: PathBuf,
}

impl SecretPart {
    /// Begins what is going to be the file `path`.
    ///
    /// # Errors
    /// When there is a file of that name, or its folder cannot be written to.
    pub fn create(path: &Path) -> Result<Self, FileError> {
        if path.exists() {
            return Err(FileError::Exists {
                path: path.to_owned(),
            });
        }
        let part = written_beside(path, &[], Secrecy::Secret);
        Ok(Self {
            part: part.map_err(|source| write_error(path, source))?,
            path: path.to_owned(),
        })
    }

    /// Gives it its name.
    ///
    /// # Errors
    /// When a file has that name by now, or it cannot be written.
    pub fn persist_new(self) -> Result<(), FileError> {
        let path = self.path;
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::AlreadyExists => FileError::Exists { path: path.clone() },
            _ => write_error(&path, source),
        };
        self.part.as_file().sync_all().map_err(failed)?;
        let persisted = self.part.persist_noclobber(&path);
        persisted.map_err(|error| failed(error.error))?;
        sync_folder(&path).map_err(failed)
    }
}

impl Write for SecretPart {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.part.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.part.flush()
    }
}

/// A file to write bit by bit, empty at first, for its owner alone whatever was there.
///
/// # Errors
/// When it cannot be made.
pub fn create_secret(path: &Path) -> Result<File, FileError> {
    let mut options = OpenOptions::new();
    options.create(true).write(true).truncate(true);
    let made = secret(&mut options, path).and_then(|file| {
        // The mode is only that of a file that is made.
        if let Some(permissions) = for_its_owner() {
            file.set_permissions(permissions)?;
        }
        Ok(file)
    });
    made.map_err(|source| write_error(path, source))
}

/// Makes a folder, and those above it that are not there, for their owner alone. What is there stays as it is.
///
/// # Errors
/// When it cannot be made.
pub fn create_secret_folder(path: &Path) -> Result<(), FileError> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
        .create(path)
        .map_err(|source| write_error(path, source))
}

fn secret(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(options, 0o600);
    options.open(path)
}

fn write_error(path: &Path, source: io::Error) -> FileError {
    FileError::Write {
        path: path.to_owned(),
        source,
    }
}

#[cfg(unix)]
fn for_its_owner() -> Option<Permissions> {
    Some(std::os::unix::fs::PermissionsExt::from_mode(0o600))
}

#[cfg(not(unix))]
fn for_its_owner() -> Option<Permissions> {
    None
}

/// Reads a line, its end included, into `line`, which is cleared before; returns how many bytes it has, 0 at the end.
///
/// # Errors
/// When it cannot be read, is not UTF-8, or has more than `limit` bytes, of which no more is read.
pub fn read_line(reader: &mut impl BufRead, line: &mut String, limit: u64) -> io::Result<usize> {
    line.clear();
    let mut bytes = std::mem::take(line).into_bytes();
    let read = reader.take(limit + 1).read_until(b'\n', &mut bytes)?;
    if read as u64 > limit {
        return Err(io::Error::new(
            io::ErrorKind::FileTooLarge,
            format!("a line has more than {limit} bytes, and at most {limit} are read"),
        ));
    }
    *line = String::from_utf8(bytes).map_err(|_| io::ErrorKind::InvalidData)?;
    Ok(read)
}

/// The lines of a reader without their ends, each of at most `limit` bytes. Ends after the first that cannot be read.
pub fn lines(reader: impl BufRead, limit: u64) -> impl Iterator<Item = io::Result<String>> {
    let mut reader = Some(reader);
    std::iter::from_fn(move || {
        let mut line = String::new();
        match read_line(reader.as_mut()?, &mut line, limit) {
            Ok(0) => None,
            Ok(_) => {
                line.truncate(line.trim_end_matches(['\n', '\r']).len());
                Some(Ok(line))
            }
            Err(error) => {
                reader = None;
                Some(Err(error))
            }
        }
    })
}

fn folder(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

fn written_beside(path: &Path, bytes: &[u8], secrecy: Secrecy) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(".").suffix(".part");
    // A temporary file has mode 0600 unless told otherwise.
    if let (Secrecy::Public, Some(permissions)) = (secrecy, all_that_umask_lets()) {
        builder.permissions(permissions);
    }
    let mut part = builder.tempfile_in(folder(path))?;
    part.write_all(bytes)?;
    part.as_file().sync_all()?;
    Ok(part)
}

#[cfg(unix)]
fn all_that_umask_lets() -> Option<Permissions> {
    Some(std::os::unix::fs::PermissionsExt::from_mode(0o666))
}

#[cfg(not(unix))]
fn all_that_umask_lets() -> Option<Permissions> {
    None
}

/// So that the name is on the disk, too.
fn sync_folder(path: &Path) -> io::Result<()> {
    if cfg!(unix) {
        File::open(folder(path))?.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    fn names(folder: &Path) -> usize {
        fs::read_dir(folder).unwrap().count()
    }

    #[test]
    fn write_file_secret_is_for_its_owner_alone_whatever_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        fs::write(&path, "open").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        write_file(&path, b"hidden", Secrecy::Secret).unwrap();
        assert_eq!(mode(&path), 0o600);
        assert_eq!(fs::read(&path).unwrap(), b"hidden");
        assert_eq!(names(folder.path()), 1, "nothing is left beside it");
    }

    #[test]
    fn write_file_public_is_as_umask_lets() {
        let folder = tempfile::tempdir().unwrap();
        let (path, other) = (folder.path().join("a"), folder.path().join("b"));
        write_file(&path, b"1", Secrecy::Public).unwrap();
        fs::write(&other, "1").unwrap();
        assert_eq!(mode(&path), mode(&other));
    }

    #[test]
    fn write_new_file_does_not_take_the_place_of_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        write_new_file(&path, b"1", Secrecy::Secret).unwrap();
        let refused = write_new_file(&path, b"2", Secrecy::Secret).unwrap_err();
        assert!(matches!(refused, FileError::Exists { .. }), "{refused}");
        assert_eq!(fs::read(&path).unwrap(), b"1");
        assert_eq!(names(folder.path()), 1, "nothing is left beside it");
    }

    #[test]
    fn secret_part_is_there_whole_or_not_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let mut part = SecretPart::create(&path).unwrap();
        part.write_all(b"whole").unwrap();
        assert!(!path.exists());
        part.persist_new().unwrap();
        assert_eq!(
            (fs::read(&path).unwrap(), mode(&path)),
            (b"whole".to_vec(), 0o600)
        );
        let refused = SecretPart::create(&path).unwrap_err();
        assert!(matches!(refused, FileError::Exists { .. }), "{refused}");
        let other = folder.path().join("b");
        let part = SecretPart::create(&other).unwrap();
        fs::write(&other, "of somebody else").unwrap();
        let refused = part.persist_new().unwrap_err();
        assert!(matches!(refused, FileError::Exists { .. }), "{refused}");
        drop(SecretPart::create(&folder.path().join("c")).unwrap());
        assert_eq!(names(folder.path()), 2, "nothing is left beside them");
    }

    #[test]
    fn write_file_where_no_folder_is_names_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("none/a");
        let error = write_file(&path, b"1", Secrecy::Public).unwrap_err();
        assert!(error.to_string().contains("none/a"), "{error}");
    }

    #[test]
    fn create_secret_is_for_its_owner_alone_whatever_was_there() {
        let folder = tempfile::tempdir().unwrap();
        let below = folder.path().join("a/b");
        create_secret_folder(&below).unwrap();
        assert_eq!(mode(&folder.path().join("a")), 0o700);
        assert_eq!(mode(&below), 0o700);
        let path = below.join("open");
        fs::write(&path, "of an older release").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        drop(create_secret(&path).unwrap());
        assert_eq!((mode(&path), fs::read(&path).unwrap().len()), (0o600, 0));
        let path = below.join("new");
        drop(create_new_secret(&path).unwrap());
        assert_eq!(mode(&path), 0o600);
        let refused = create_new_secret(&path).unwrap_err();
        assert!(matches!(refused, FileError::Exists { .. }), "{refused}");
    }

    #[test]
    fn keep_beside_keeps_each_content_once_under_a_name_that_was_free() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.b");
        let missing = keep_beside(&path).unwrap_err();
        assert!(missing.to_string().contains("a.b.kept-1"), "{missing}");
        for (content, name) in [
            ("1", "a.b.kept-1"),
            ("2", "a.b.kept-2"),
            ("1", "a.b.kept-1"),
        ] {
            write_file(&path, content.as_bytes(), Secrecy::Public).unwrap();
            let kept = keep_beside(&path).unwrap();
            assert_eq!(kept, folder.path().join(name));
            write_file(&path, b"new", Secrecy::Public).unwrap();
            assert_eq!(fs::read_to_string(kept).unwrap(), content);
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);
    }

    #[test]
    fn lines_at_the_limit_are_read_and_past_it_refused() {
        let read = |text: &'static str| {
            let lines = lines(text.as_bytes(), 4);
            lines.map(|line| line.map_err(|error| error.kind()))
        };
        let all: Vec<_> = read("abc\nd\r\n\ne").collect();
        let texts = ["abc", "d", "", "e"].map(|text| Ok(text.to_owned()));
        assert_eq!(all, texts);
        let all: Vec<_> = read("abc\nabcd\nx").collect();
        let too_large = Err(io::ErrorKind::FileTooLarge);
        assert_eq!(all, [Ok("abc".to_owned()), too_large]);
    }

    #[test]
    fn read_line_of_an_endless_one_reads_no_more_than_the_limit() {
        struct Endless(u64);
        impl Read for Endless {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                buffer.fill(b'x');
                self.0 += buffer.len() as u64;
                Ok(buffer.len())
            }
        }
        let mut reader = io::BufReader::with_capacity(1_000, Endless(0));
        let mut line = String::new();
        let error = read_line(&mut reader, &mut line, 10_000).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
        assert!(reader.get_ref().0 <= 11_000, "{}", reader.get_ref().0);
    }

    #[test]
    fn read_limited_at_the_limit_reads_and_past_it_refuses() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "1234").unwrap();
        assert_eq!(read_limited(&path, 4).unwrap(), b"1234");
        let refused = read_limited(&path, 3).unwrap_err();
        assert!(
            matches!(
                refused,
                FileError::TooLarge {
                    bytes: Some(4),
                    limit: 3,
                    ..
                }
            ),
            "{refused}"
        );
        let endless = read_limited_from(io::repeat(0), Path::new("-"), 3).unwrap_err();
        assert_eq!(
            endless.to_string(),
            "- has more than 3 bytes, and at most 3 are read"
        );
    }
}
