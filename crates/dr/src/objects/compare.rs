//! Whether two objects are the same, and how that is known.
//!
//! Pure rules over what S3 tells. "Equal" always has a proof; what cannot be proven says why.

use serde::{Deserialize, Serialize};

use super::entry::{ETag, Modified, ObjectMeta, StorageClass, same_version};

/// What counts as proof.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// ETags where they prove something, else the version IDs of replicas, else checksums, else what runs have copied.
    #[default]
    Auto,
    /// ETags of the listing only; asks nothing else. Wrong for objects under SSE-KMS.
    Etag,
    /// Checksums that both sides keep; ETags prove nothing.
    Checksum,
    /// Size, and a destination that is not older: what other tools do by default. No proof.
    SizeMtime,
}

/// What is known about the encryption of an object, as far as it matters to its ETag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encryption {
    /// None or SSE-S3: the ETag of an object in one piece is its MD5.
    Plain,
    /// SSE-KMS, DSSE-KMS or a customer's key: the ETag says nothing about the content.
    Keyed,
}

/// A checksum that S3 keeps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checksum {
    /// CRC32, CRC32C, CRC64NVME, SHA1, SHA256 …
    pub algorithm: &'static str,
    /// As S3 writes it: base64, and `-N` behind it for a composite.
    pub value: String,
    /// Over the whole object, not over the checksums of its parts.
    pub full: bool,
}

/// What HeadObject says about an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Detail {
    /// Length in bytes.
    pub size: u64,
    /// ETag, without its quotation marks.
    pub etag: ETag,
    /// When it was written.
    pub modified: Modified,
    /// Storage class, STANDARD where S3 names none.
    pub class: StorageClass,
    /// Version, where the bucket has versions.
    pub version: Option<String>,
    /// Whether the ETag can be the MD5 of the content.
    pub encryption: Encryption,
    /// Every checksum that is kept.
    pub checksums: Vec<Checksum>,
    /// Bytes of the first part, where that was asked for.
    pub first_part: Option<u64>,
    /// An archived object that cannot be read before a restore.
    pub archived: bool,
    /// Metadata and content headers.
    pub headers: Vec<(String, String)>,
}

/// Why two objects are equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Proof {
    /// The same ETag and size.
    ETag,
    /// The same version ID and size: one is the replica of the other.
    Version,
    /// A run has copied the one to the other, and neither has been written since.
    Copied,
    /// The same checksum and size.
    Checksum,
    /// Both have no bytes.
    Empty,
    /// Taken for equal by size and time, because that was asked for.
    SizeAndTime,
}

/// In what two objects differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Difference {
    /// They have different lengths.
    Size,
    /// Content, by comparable ETags or checksums.
    Content,
    /// The destination is older: [`Mode::SizeMtime`].
    Time,
    /// Metadata, content headers or tags.
    Headers,
}

/// Why nothing can be said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unprovable {
    /// An ETag under a KMS or customer key says nothing, and there is no common checksum.
    Keyed,
    /// The two were put in different parts, and there is no common checksum of the whole.
    Parts,
    /// There is no common checksum.
    NoChecksum,
    /// An ETag is in no form that AWS documents.
    ETagForm,
    /// Written after the other side's inventory was taken.
    Newer,
    /// Only lengths and times were compared: [`Mode::SizeMtime`].
    SizeAndTime,
}

impl Unprovable {
    /// The reason as reports give it.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Keyed => "encrypted with a key, so the ETag says nothing, and no common checksum",
            Self::Parts => "uploaded in other parts, and no common checksum of the whole",
            Self::NoChecksum => "no common checksum",
            Self::ETagForm => "an ETag of unknown form, and no common checksum",
            Self::Newer => "written after the other side's inventory was taken",
            Self::SizeAndTime => "compared by size and time alone",
        }
    }
}

/// The outcome of a comparison.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Proven equal, and by what.
    Equal(Proof),
    /// Proven different, and in what.
    Differs(Difference),
    /// Neither equal nor different can be proven; why not.
    NotProvable(Unprovable),
    /// The source is archived and cannot be read; it is not proven equal.
    Archived,
}

/// The outcome of a comparison of listings: `None` when HeadObject must be asked.
pub fn compare_listed(
    mode: Mode,
    source: &ObjectMeta,
    destination: &ObjectMeta,
) -> Option<Verdict> {
    let same_size = source.size == destination.size;
    let same_etag = same_size && source.etag == destination.etag && !is_void(&source.etag);
    let verdict = match mode {
        Mode::Auto | Mode::Etag if same_etag => Verdict::Equal(Proof::ETag),
        Mode::Auto if source.is_version_of(destination) => Verdict::Equal(Proof::Version),
        // Whether an archived source was restored is not in the listing.
        _ if source.class.is_archive() => return None,
        _ if !same_size => Verdict::Differs(Difference::Size),
        Mode::Auto | Mode::Checksum if source.size == 0 => Verdict::Equal(Proof::Empty),
        Mode::Auto | Mode::Checksum => return None,
        Mode::Etag => match (&source.etag, &destination.etag) {
            (ETag::Single(_), ETag::Single(_)) => Verdict::Differs(Difference::Content),
            (ETag::Other(_), _) | (_, ETag::Other(_)) => Verdict::NotProvable(Unprovable::ETagForm),
            _ => Verdict::NotProvable(Unprovable::Parts),
        },
        Mode::SizeMtime if destination.modified >= source.modified => {
            Verdict::Equal(Proof::SizeAndTime)
        }
        Mode::SizeMtime => Verdict::Differs(Difference::Time),
    };
    Some(verdict)
}

/// An ETag that cannot prove anything, because it is empty.
fn is_void(etag: &ETag) -> bool {
    matches!(etag, ETag::Other(text) if text.is_empty())
}

/// The outcome of a comparison of what HeadObject says.
pub fn compare_details(mode: Mode, source: &Detail, destination: &Detail) -> Verdict {
    let content = compare_content(mode, source, destination);
    match content {
        Verdict::Differs(_) | Verdict::NotProvable(_) if source.archived => Verdict::Archived,
        verdict => verdict,
    }
}

fn compare_content(mode: Mode, source: &Detail, destination: &Detail) -> Verdict {
    if source.size != destination.size {
        return Verdict::Differs(Difference::Size);
    }
    if mode != Mode::Checksum && source.etag == destination.etag && !is_void(&source.etag) {
        return Verdict::Equal(Proof::ETag);
    }
    if source.size == 0 {
        return Verdict::Equal(Proof::Empty);
    }
    let (ours, theirs) = (source.version.as_deref(), destination.version.as_deref());
    if mode == Mode::Auto && same_version(ours, theirs) {
        return Verdict::Equal(Proof::Version);
    }
    if mode == Mode::SizeMtime {
        return if destination.modified >= source.modified {
            Verdict::Equal(Proof::SizeAndTime)
        } else {
            Verdict::Differs(Difference::Time)
        };
    }
    let same_parts = same_parts(source, destination);
    for ours in &source.checksums {
        let theirs = destination
            .checksums
            .iter()
            .find(|theirs| theirs.algorithm == ours.algorithm && theirs.full == ours.full);
        match theirs {
            // A composite has the number of parts behind it, so equal values mean equal parts.
            Some(theirs) if theirs.value == ours.value => return Verdict::Equal(Proof::Checksum),
            Some(_) if ours.full || same_parts => return Verdict::Differs(Difference::Content),
            _ => {}
        }
    }
    let keyed = [source, destination]
        .iter()
        .any(|detail| detail.encryption == Encryption::Keyed);
    match (&source.etag, &destination.etag) {
        _ if mode == Mode::Checksum => Verdict::NotProvable(Unprovable::NoChecksum),
        _ if keyed => Verdict::NotProvable(Unprovable::Keyed),
        (ETag::Single(_), ETag::Single(_)) => Verdict::Differs(Difference::Content),
        (ETag::Multipart { .. }, ETag::Multipart { .. }) if same_parts => {
            Verdict::Differs(Difference::Content)
        }
        (ETag::Other(_), _) | (_, ETag::Other(_)) => Verdict::NotProvable(Unprovable::ETagForm),
        _ => Verdict::NotProvable(Unprovable::Parts),
    }
}

/// Whether both were put in the same number of parts, of which the first is of the same size. Parts but the
/// last are of one size in every uploader that AWS publishes.
fn same_parts(source: &Detail, destination: &Detail) -> bool {
    match (&source.etag, &destination.etag) {
        (ETag::Multipart { parts: ours, .. }, ETag::Multipart { parts: theirs, .. }) => {
            ours == theirs
                && source.first_part.is_some()
                && source.first_part == destination.first_part
        }
        _ => false,
    }
}

/// Whether it is worth asking for the sizes of the first parts: they could decide.
pub(super) fn wants_parts(verdict: Verdict, source: &Detail, destination: &Detail) -> bool {
    matches!(verdict, Verdict::NotProvable(Unprovable::Parts))
        && matches!((&source.etag, &destination.etag),
            (ETag::Multipart { parts: ours, .. }, ETag::Multipart { parts: theirs, .. }) if ours == theirs)
        && source.first_part.is_none()
}

#[cfg(test)]
mod tests;
