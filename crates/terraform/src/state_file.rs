//! A state as a backend keeps it.

use std::collections::BTreeSet;
use std::io::{self, BufReader, Read};

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::json::{JsonError, no_object, parse, place};

/// What is kept of an object that cannot be read, to tell what it is instead: all of most such things.
const HEAD_BYTES: u64 = 64 << 10;

/// A state object, of which no value is kept: states hold secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StateFile {
    /// One that terraform can read.
    Plain(StateSummary),
    /// One that OpenTofu encrypted: only who has its key knows what it holds, and terraform cannot read it.
    Encrypted {
        /// One more with every write.
        serial: u64,
        /// The same for all states that came from one.
        lineage: String,
    },
}

/// What a state says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateSummary {
    /// Of the format: 3 (terraform 0.11) or 4.
    pub version: u64,
    /// The terraform that wrote it.
    pub terraform_version: String,
    /// One more with every write.
    pub serial: u64,
    /// The same for all states that came from one.
    pub lineage: String,
    /// Addresses of the managed resources, without the keys of their instances, in the order of the alphabet.
    pub addresses: BTreeSet<String>,
    /// Instances of managed resources.
    pub instances: usize,
}

/// Text that is no state.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StateFileError {
    /// It is no JSON, or some value in it has another type.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// JSON that terraform reads in no backend, since something stands before or after it, or in its encoding.
    #[error("it is a state, but not in the bytes that terraform reads: {0}")]
    Bytes(&'static str),
    /// A format that came later, or long before.
    #[error("it is a state of format {version}, and 3 and 4 are known")]
    Version {
        /// What it says.
        version: u64,
    },
    /// What `terraform show -json` writes.
    #[error(
        "it is what `terraform show -json` writes, which is another form than the one that a backend keeps"
    )]
    Shown,
    /// JSON of something else.
    #[error("it has no version, serial and lineage, as a state has")]
    Neither,
}

#[derive(Deserialize)]
struct Root {
    version: Option<u64>,
    serial: Option<u64>,
    lineage: Option<Short>,
    #[serde(default)]
    terraform_version: Short,
    #[serde(default)]
    resources: Vec<Block>,
    // Format 3.
    #[serde(default)]
    modules: Vec<OldModule>,
    // OpenTofu.
    encrypted_data: Option<IgnoredAny>,
    // What `terraform show -json` writes.
    format_version: Option<IgnoredAny>,
}

/// A text that is kept and shown for each state: a lineage is a UUID, a version some digits.
#[derive(Default, Deserialize)]
#[serde(try_from = "String")]
struct Short(String);

impl Short {
    const MAX_BYTES: usize = 256;
}

impl TryFrom<String> for Short {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.len() {
            0..=Self::MAX_BYTES => Ok(Self(text)),
            bytes => Err(format!("a text of {bytes} bytes")),
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Block {
    module: Option<String>,
    mode: String,
    #[serde(rename = "type")]
    kind: String,
    name: String,
    instances: Vec<IgnoredAny>,
}

#[derive(Deserialize)]
struct OldModule {
    #[serde(default)]
    path: Vec<String>,
    #[serde(default)]
    resources: std::collections::BTreeMap<String, IgnoredAny>,
}

impl StateFile {
    /// The largest state that is read, in bytes. One of 1,000 resources has about 4 MB.
    pub const MAX_BYTES: u64 = 256 << 20;

    /// From what `terraform state pull` wrote, into whatever file and encoding.
    ///
    /// # Errors
    /// When it is no state.
    pub fn parse(json: &[u8]) -> Result<Self, StateFileError> {
        Self::from_root(parse(json)?)
    }

    fn from_root(root: Root) -> Result<Self, StateFileError> {
        if root.format_version.is_some() {
            return Err(StateFileError::Shown);
        }
        let (Some(serial), Some(lineage)) = (root.serial, root.lineage) else {
            return Err(StateFileError::Neither);
        };
        let lineage = lineage.0;
        match root.version {
            None if root.encrypted_data.is_some() => Ok(Self::Encrypted { serial, lineage }),
            None => Err(StateFileError::Neither),
            Some(version @ (3 | 4)) => {
                let (addresses, instances) = match version {
                    3 => old_addresses(&root.modules),
                    _ => addresses(&root.resources),
                };
                Ok(Self::Plain(StateSummary {
                    version,
                    terraform_version: root.terraform_version.0,
                    serial,
                    lineage,
                    addresses,
                    instances,
                }))
            }
            Some(version) => Err(StateFileError::Version { version }),
        }
    }

    /// From the object that a backend has. Terraform reads its bytes as they are, so that a byte order mark or a line
    /// before the JSON makes a state unusable.
    ///
    /// # Errors
    /// When it is no state that terraform could read.
    pub fn parse_object(bytes: &[u8]) -> Result<Self, StateFileError> {
        let file = Self::parse(bytes)?;
        if let Some(error) = not_from_its_start(bytes) {
            return Err(error);
        }
        if serde_json::from_slice::<IgnoredAny>(bytes).is_err() {
            let utf16 = bytes.contains(&0);
            return Err(StateFileError::Bytes(match utf16 {
                true => "it is UTF-16",
                false => "something stands after it",
            }));
        }
        Ok(file)
    }

    /// As [`Self::parse_object`], from an object that is read piece by piece: a state of 200 MB then takes only the
    /// memory of its addresses.
    ///
    /// # Errors
    /// When it is no state that terraform could read, or `object` cannot be read, which [`JsonError::Io`] tells.
    pub fn read_object(mut object: impl Read) -> Result<Self, StateFileError> {
        let mut head = Vec::new();
        let unreadable = |error: io::Error| StateFileError::from(JsonError::Io(error.kind()));
        let first = (&mut object).take(HEAD_BYTES).read_to_end(&mut head);
        first.map_err(unreadable)?;
        if (head.len() as u64) < HEAD_BYTES {
            return Self::parse_object(&head);
        }
        // What a byte order mark or another encoding leads to is told as for a short one.
        if head.iter().find(|byte| !byte.is_ascii_whitespace()) != Some(&b'{') {
            return Err(match (head.first(), not_from_its_start(&head)) {
                (Some(0xef | 0xfe | 0xff | 0), Some(error)) => error,
                _ => no_object(&String::from_utf8_lossy(&head)).into(),
            });
        }
        let whole = BufReader::new(head.as_slice().chain(object));
        let mut json = serde_json::Deserializer::from_reader(whole);
        let root = Root::deserialize(&mut json);
        let root = root.map_err(|error| place(&error, 0))?;
        match json.end() {
            Ok(()) => Self::from_root(root),
            Err(error) if error.is_io() => Err(place(&error, 0).into()),
            Err(_) => Err(StateFileError::Bytes("something stands after it")),
        }
    }

    /// One more with every write.
    pub fn serial(&self) -> u64 {
        match self {
            Self::Plain(state) => state.serial,
            Self::Encrypted { serial, .. } => *serial,
        }
    }

    /// The same for all states that came from one.
    pub fn lineage(&self) -> &str {
        match self {
            Self::Plain(state) => &state.lineage,
            Self::Encrypted { lineage, .. } => lineage,
        }
    }
}

/// Why terraform does not read a state whose first character is another than the JSON's.
fn not_from_its_start(bytes: &[u8]) -> Option<StateFileError> {
    let first = bytes.iter().find(|byte| !byte.is_ascii_whitespace());
    (first != Some(&b'{')).then_some(StateFileError::Bytes(match bytes {
        [0xef, 0xbb, 0xbf, ..] => "it begins with a byte order mark",
        [0xff | 0xfe | 0, ..] => "it is UTF-16",
        _ => "something stands before it",
    }))
}

fn addresses(blocks: &[Block]) -> (BTreeSet<String>, usize) {
    // Terraform lists no resource that has no instance.
    let is_there = |block: &&Block| block.mode != "data" && !block.instances.is_empty();
    let managed = || blocks.iter().filter(is_there);
    let addresses = managed().map(|block| match &block.module {
        Some(module) => format!("{module}.{}.{}", block.kind, block.name),
        None => format!("{}.{}", block.kind, block.name),
    });
    let instances = managed().map(|block| block.instances.len()).sum();
    (addresses.collect(), instances)
}

/// Format 3 has one entry for each instance, as in `aws_eip.this.0`, and data sources beside them.
fn old_addresses(modules: &[OldModule]) -> (BTreeSet<String>, usize) {
    let mut addresses = BTreeSet::new();
    let mut instances = 0;
    for module in modules {
        let path: String = module
            .path
            .iter()
            .skip(1)
            .map(|name| format!("module.{name}."))
            .collect();
        let managed = module
            .resources
            .keys()
            .filter(|key| !key.starts_with("data."));
        for key in managed {
            instances += 1;
            let mut parts = key.split('.');
            let (kind, name) = (parts.next(), parts.next());
            let (kind, name) = (kind.unwrap_or_default(), name.unwrap_or_default());
            addresses.insert(format!("{path}{kind}.{name}"));
        }
    }
    (addresses, instances)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(json: &Value) -> Result<StateFile, StateFileError> {
        StateFile::parse_object(json.to_string().as_bytes())
    }

    fn state() -> Value {
        json!({"version": 4, "terraform_version": "1.11.4", "serial": 7, "lineage": "l-1", "outputs": {
            "password": {"value": "hunter2", "type": "string", "sensitive": true}}, "check_results": null, "resources": [
            {"mode": "managed", "type": "aws_eip", "name": "this", "module": "module.a[\"x\"]", "provider": "p",
             "instances": [{"index_key": 0, "attributes": {}}, {"index_key": 1}]},
            {"mode": "data", "type": "aws_region", "name": "here", "provider": "p", "instances": [{}]}]})
    }

    #[test]
    fn state_file_of_format_4_is_summed_up_without_values() {
        let StateFile::Plain(found) = read(&state()).unwrap() else {
            panic!("encrypted");
        };
        assert_eq!(
            (found.version, found.serial, found.lineage.as_str()),
            (4, 7, "l-1")
        );
        assert_eq!(found.terraform_version, "1.11.4");
        assert_eq!(
            found.addresses,
            ["module.a[\"x\"].aws_eip.this".to_owned()].into()
        );
        assert_eq!(found.instances, 2);
        assert!(!format!("{found:?}").contains("hunter2"));
    }

    #[test]
    fn state_file_of_format_3_is_read_too() {
        let old = json!({"version": 3, "terraform_version": "0.11.14", "serial": 2, "lineage": "l", "modules": [
            {"path": ["root"], "outputs": {}, "resources": {"aws_eip.a.0": {"type": "aws_eip"}, "aws_eip.a.1": {}, "data.aws_region.x": {}}},
            {"path": ["root", "net"], "resources": {"aws_vpc.b": {}}}]});
        let StateFile::Plain(found) = read(&old).unwrap() else {
            panic!("encrypted");
        };
        assert_eq!((found.version, found.instances), (3, 3));
        let addresses: Vec<_> = found.addresses.iter().map(String::as_str).collect();
        assert_eq!(addresses, ["aws_eip.a", "module.net.aws_vpc.b"]);
    }

    #[test]
    fn state_file_that_opentofu_encrypted_is_known_as_such() {
        let sealed = json!({"serial": 4, "lineage": "l", "meta": {"key_provider.pbkdf2.k": "x"},
            "encrypted_data": "AAAA", "encryption_version": "v0"});
        let file = read(&sealed).unwrap();
        let lineage = "l".to_owned();
        assert_eq!(file, StateFile::Encrypted { serial: 4, lineage });
        assert_eq!((file.serial(), file.lineage()), (4, "l"));
    }

    /// As long as one that is not read at once.
    fn long_state() -> String {
        let mut state = state();
        let resources = (0..2_000).map(|number| {
            json!({"mode": "managed", "type": "aws_eip", "name": format!("n{number}"), "provider": "p",
                "instances": [{"attributes": {"tags": "x".repeat(40)}}]})
        });
        state["resources"] = resources.collect();
        state.to_string()
    }

    #[test]
    fn state_object_that_is_read_piece_by_piece_is_the_same_as_at_once() {
        let text = long_state();
        assert!(text.len() as u64 > HEAD_BYTES);
        let read = |text: &str| StateFile::read_object(text.as_bytes());
        assert_eq!(read(&text), StateFile::parse_object(text.as_bytes()));
        let StateFile::Plain(found) = read(&text).unwrap() else {
            panic!("encrypted");
        };
        assert_eq!(found.instances, 2_000);
        for (text, why) in [
            (format!("\u{feff}{text}"), "byte order mark"),
            (format!("note {text}"), "other text"),
            (format!("{text} note"), "after it"),
            (text[..text.len() - 2].to_owned(), "no JSON from line 1"),
            (format!("<html>{text}"), "HTML or XML"),
        ] {
            let error = read(&text).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
        assert_eq!(
            read("").unwrap_err(),
            StateFileError::Json(JsonError::Empty)
        );
        assert_eq!(read("{}").unwrap_err(), StateFileError::Neither);
    }

    #[test]
    fn state_file_with_a_lineage_that_is_too_long_to_be_kept_is_none() {
        for field in ["lineage", "terraform_version"] {
            let mut state = state();
            state[field] = "L".repeat(Short::MAX_BYTES).into();
            assert!(read(&state).is_ok());
            state[field] = "L".repeat(Short::MAX_BYTES + 1).into();
            let error = read(&state).unwrap_err();
            assert!(
                matches!(error, StateFileError::Json(JsonError::Shape { .. })),
                "{error}"
            );
        }
    }

    #[test]
    fn state_object_whose_bytes_break_off_is_an_error_of_reading() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::ErrorKind::ConnectionReset.into())
            }
        }
        let text = long_state();
        for start in [&text[..10], &text] {
            let error = StateFile::read_object(start.as_bytes().chain(Broken)).unwrap_err();
            let told = StateFileError::Json(JsonError::Io(io::ErrorKind::ConnectionReset));
            assert_eq!(error, told);
        }
    }

    #[test]
    fn state_file_of_something_else_is_told() {
        let told = |json: Value| read(&json).unwrap_err();
        assert_eq!(told(json!({})), StateFileError::Neither);
        assert_eq!(told(json!({"version": 4})), StateFileError::Neither);
        let shown = json!({"format_version": "1.0", "values": {}});
        assert_eq!(told(shown), StateFileError::Shown);
        let later = json!({"version": 5, "serial": 1, "lineage": "l"});
        assert_eq!(told(later), StateFileError::Version { version: 5 });
        let empty = StateFile::parse_object(b"").unwrap_err();
        assert_eq!(empty, StateFileError::Json(JsonError::Empty));
    }

    #[test]
    fn state_object_with_more_than_json_is_unusable_though_its_file_can_be_read() {
        let text = state().to_string();
        let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        for (bytes, why) in [
            (format!("\u{feff}{text}").into_bytes(), "byte order mark"),
            (utf16.clone(), "UTF-16"),
            ([vec![0xff, 0xfe], utf16].concat(), "UTF-16"),
            (format!("note\n{text}").into_bytes(), "before it"),
            (format!("{text}\nnote").into_bytes(), "after it"),
        ] {
            assert_eq!(StateFile::parse(&bytes).unwrap().serial(), 7);
            let error = StateFile::parse_object(&bytes).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        }
        assert!(StateFile::parse_object(format!("\n {text}\n").as_bytes()).is_ok());
    }
}
