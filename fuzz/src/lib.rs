//! What the programs read from outside, each reader as a function that takes any bytes.
//!
//! No input may make a reader panic, hang or take memory beyond its limits, and where two ways lead to one answer, they
//! must agree. cargo-fuzz runs each of [`TARGETS`] with coverage for as long as one likes; the tests of this crate run
//! them on the kept corpus and on mutations of it.

use std::collections::BTreeSet;
use std::fs;
use std::sync::LazyLock;
use std::time::Duration;

use dr::objects::{ListingReader, ManifestUrl, S3Location};
use evidence::drift::{Drift, Rules};
use evidence::{Capture, Outputs, Redactor};
use jiff::civil::{Date, date};
use settings::{OutputsFile, Region, Settings, Source, parse_duration};
use tempfile::TempDir;
use terraform::{
    All, DeclaredVariables, Document, Environment, Event, RootModule, StateFile, VariableFile,
    judge_variables,
};

const TODAY: Date = date(2026, 11, 22);

/// A reader that any bytes can be given to.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    /// The name of its program and of its folder in `corpus`.
    pub name: &'static str,
    /// Reads the bytes.
    pub run: fn(&[u8]),
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target {
        name: "capture",
        run: capture,
    },
    Target {
        name: "duration",
        run: duration,
    },
    Target {
        name: "events",
        run: events,
    },
    Target {
        name: "inventory",
        run: inventory,
    },
    Target {
        name: "journal",
        run: journal,
    },
    Target {
        name: "listing",
        run: listing,
    },
    Target {
        name: "location",
        run: location,
    },
    Target {
        name: "lock",
        run: lock,
    },
    Target {
        name: "offer",
        run: offer,
    },
    Target {
        name: "outputs",
        run: outputs,
    },
    Target {
        name: "plan",
        run: plan,
    },
    Target {
        name: "redaction",
        run: redaction,
    },
    Target {
        name: "root_module",
        run: root_module,
    },
    Target {
        name: "rules",
        run: rules,
    },
    Target {
        name: "settings",
        run: settings,
    },
    Target {
        name: "state",
        run: state,
    },
    Target {
        name: "usage",
        run: usage,
    },
    Target {
        name: "variables",
        run: variables,
    },
];

fn text(bytes: &[u8]) -> Option<&str> {
    std::str::from_utf8(bytes).ok()
}

/// A capture in a folder of evidence: what is read is written back as the same.
pub fn capture(bytes: &[u8]) {
    if let Ok(capture) = serde_json::from_slice::<Capture>(bytes) {
        let written = serde_json::to_vec(&capture).unwrap_or_default();
        let again = serde_json::from_slice(&written).ok();
        assert_eq!(again, Some(capture), "a capture reads as it was written");
    }
}

/// A length of time: what is shown of it is read as the same, to the precision that is shown.
pub fn duration(bytes: &[u8]) {
    let Some(length) = text(bytes).and_then(|text| parse_duration(text).ok()) else {
        return;
    };
    let shown = report::duration(length);
    let again = parse_duration(&shown);
    let off = again.as_ref().map(|again| length.abs_diff(*again));
    assert!(
        off.is_ok_and(|off| off <= length / 20 + Duration::from_millis(1)),
        "{length:?} is shown as {shown:?}, which is {again:?}"
    );
}

/// Lines of terraform's progress in JSON.
pub fn events(bytes: &[u8]) {
    for line in text(bytes).unwrap_or_default().lines() {
        let event = Event::from_line(line);
        if let Event::Diagnostic(diagnostic) = &event {
            diagnostic.lock();
            diagnostic.fixed_words();
        }
    }
}

/// An S3 Inventory: the manifest's schema and a file of rows.
pub fn inventory(bytes: &[u8]) {
    dr::objects::fuzz::inventory(bytes);
}

/// The journal of a run.
pub fn journal(bytes: &[u8]) {
    static CHANGES: LazyLock<Option<TempDir>> = LazyLock::new(|| tempfile::tempdir().ok());
    if let Some(changes) = &*CHANGES {
        dr::objects::fuzz::journal(bytes, changes.path());
    }
}

/// The answer to ListObjectsV2: however it is cut into chunks, the page is the same.
pub fn listing(bytes: &[u8]) {
    let read = |size: usize| {
        let mut reader = ListingReader::new("in/", "in/.dr-journal/");
        for chunk in bytes.chunks(size) {
            reader.feed(chunk).ok()?;
        }
        let page = reader.finish().ok()?;
        let keys: Vec<String> = page.iter().map(|(key, _)| key.to_owned()).collect();
        Some((keys, page.resume_after.clone()))
    };
    let whole = read(bytes.len().max(1));
    for size in [1, 7, 600] {
        assert_eq!(read(size), whole, "chunks of {size} bytes");
    }
}

/// A place in S3, as command lines and settings name it.
pub fn location(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    if let Ok(location) = text.parse::<S3Location>() {
        let again = location.to_string().parse::<S3Location>().ok();
        assert_eq!(again, Some(location), "a location reads as it is shown");
    }
    let _ = text.parse::<ManifestUrl>();
    let _ = text.parse::<probe::HealthUrl>();
    let _ = text.parse::<Region>();
}

/// The Info of a lock.
pub fn lock(bytes: &[u8]) {
    if let Ok(info) = serde_json::from_slice::<state_backend::LockInfo>(bytes) {
        let written = serde_json::to_vec(&info).unwrap_or_default();
        let again = serde_json::from_slice(&written).ok();
        assert_eq!(again, Some(info), "a lock reads as it was written");
    }
    let _ = serde_json::from_slice::<terraform::LockInfo>(bytes);
}

/// A bulk offer file of prices.
pub fn offer(bytes: &[u8]) {
    let _ = cost::OfferFile::read(bytes, &[]);
}

/// The outputs of an environment.
pub fn outputs(bytes: &[u8]) {
    if let Ok(outputs) = Outputs::parse(bytes) {
        let redactor = Redactor::for_display(Some(&outputs));
        redactor.sentence(text(bytes).unwrap_or_default());
    }
    let _ = terraform::Outputs::parse(bytes);
}

/// The JSON of a plan or a state, for its price and for its drift.
pub fn plan(bytes: &[u8]) {
    let _ = Document::<All>::parse(bytes);
    let _ = cost::Inventory::from_terraform(bytes, "ca-central-1".parse::<Region>().ok(), None);
    let _ = Drift::of_plan("plan.json", bytes, &Rules::default(), TODAY);
}

/// Any text that may hold secrets: what was redacted once holds none that is seen again.
pub fn redaction(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    let redactor = Redactor::for_display(None);
    let once = redactor.sentence(text);
    assert!(!redactor.has_secret(&once), "{once:?} still has a secret");
}

/// A root module's code in both syntaxes, and what `terraform init` remembers of it.
pub fn root_module(bytes: &[u8]) {
    static FOLDERS: LazyLock<Option<TempDir>> = LazyLock::new(|| tempfile::tempdir().ok());
    let Some(folders) = &*FOLDERS else { return };
    let files = ["main.tf", "main.tf.json", ".terraform/terraform.tfstate"];
    for (number, file) in files.into_iter().enumerate() {
        let folder = folders.path().join(number.to_string());
        let file = folder.join(file);
        let written = file.parent().map(fs::create_dir_all);
        if matches!(written, Some(Ok(()))) && fs::write(&file, bytes).is_ok() {
            let _ = RootModule::read(&folder, &Environment::default());
        }
    }
}

/// Values of variables in both syntaxes, beside code that declares some, and both as code.
pub fn variables(bytes: &[u8]) {
    static FOLDER: LazyLock<Option<TempDir>> = LazyLock::new(|| tempfile::tempdir().ok());
    let Some(folder) = &*FOLDER else { return };
    let folder = folder.path();
    for name in ["main.tf", "terraform.tfvars", "more.auto.tfvars.json"] {
        if fs::write(folder.join(name), bytes).is_err() {
            return;
        }
    }
    let Ok(declared) = DeclaredVariables::read(folder) else {
        return;
    };
    let paths = VariableFile::of_folder(folder).unwrap_or_default();
    let files: Vec<_> = paths.iter().map(|path| VariableFile::read(path)).collect();
    let _ = judge_variables(&declared, &files, &BTreeSet::new());
}

/// The rules of a drift.
pub fn rules(bytes: &[u8]) {
    let _ = text(bytes).map(Rules::parse);
}

/// `infra.toml`: what is accepted is written back as the same.
pub fn settings(bytes: &[u8]) {
    let Some(text) = text(bytes) else { return };
    if let Ok(settings) = Settings::parse(text, TODAY) {
        let written = toml_of(&settings);
        assert_eq!(Settings::parse(&written, TODAY), Ok(settings), "{written}");
    }
    // The same bytes as what Terraform says, of settings that leave it out.
    let outputs = [OutputsFile {
        name: "infra.dr.toml".to_owned(),
        text: text.to_owned(),
    }];
    let source = Source {
        text: LEFT_OUT,
        outputs: &outputs,
    };
    let _ = source.parse(TODAY).map_err(|errors| errors.to_string());
}

const LEFT_OUT: &str = r#"project = "berthcare"
environment = "staging"
outputs = ["infra.dr.toml"]
[regions]
primary = "ca-central-1"
dr = "ca-west-1"
[state]
bucket = "state"
key = "terraform.tfstate"
locking = ["s3"]
[[databases]]
id = "app"
dr_id = "app-dr"
[databases.restore]
multi_az = true
"#;

/// A Terraform state, as an object in the bucket or a file.
pub fn state(bytes: &[u8]) {
    let _ = StateFile::parse(bytes);
    let _ = StateFile::parse_object(bytes);
}

/// A usage file.
pub fn usage(bytes: &[u8]) {
    let _ = text(bytes).map(cost::Usage::parse);
}

fn toml_of(settings: &Settings) -> String {
    toml::to_string(settings).unwrap_or_default()
}
