use std::ffi::OsString;
use std::fs;
use std::future::pending;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use terraform::{ChangeCounts, Environment, Error, InitOptions, PlanOptions, Running, Terraform};

/// A folder with code, and the environment to run terraform in.
pub(crate) struct Stage {
    root: tempfile::TempDir,
}

impl Stage {
    pub(crate) fn new(code: &str) -> Self {
        let stage = Self {
            root: tempfile::tempdir().unwrap(),
        };
        fs::create_dir(stage.folder()).unwrap();
        stage.write("main.tf", code);
        stage
    }

    pub(crate) fn folder(&self) -> PathBuf {
        self.root.path().join("env")
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.folder().join(name), text).unwrap();
    }

    pub(crate) fn read<T: DeserializeOwned>(&self, name: &str) -> T {
        serde_json::from_slice(&fs::read(self.folder().join(name)).unwrap()).unwrap()
    }

    pub(crate) fn exists(&self, name: &str) -> bool {
        self.folder().join(name).exists()
    }

    /// Its home is empty: no settings of whoever runs the tests.
    pub(crate) fn environment(&self) -> Environment {
        environment(self.root.path())
    }

    /// The terraform of this machine; `None`, said aloud, where there is none.
    pub(crate) async fn terraform(&self) -> Option<Terraform> {
        match Terraform::find(&self.folder(), self.environment()).await {
            Ok(terraform) => Some(terraform),
            Err(error @ (Error::NotInstalled | Error::TooOld { .. })) => {
                eprintln!("skipped: {error}");
                None
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// The terraform of this machine, after an init.
    pub(crate) async fn ready(&self) -> Option<Terraform> {
        let terraform = self.terraform().await?;
        let init = terraform.init(&InitOptions::default()).await.unwrap();
        done(init).await;
        Some(terraform)
    }

    /// A script that answers `version` and does `body` for everything else.
    pub(crate) fn script(&self, version: &str, body: &str) -> PathBuf {
        use std::os::unix::fs::PermissionsExt as _;
        let path = self.root.path().join("terraform");
        let text = format!(
            "#!/bin/sh\nif [ \"$1\" = version ]; then\n  echo '{{\"terraform_version\":\"{version}\"}}'\n  exit\nfi\n{body}\n"
        );
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }
}

pub(crate) fn environment(home: &Path) -> Environment {
    let path = std::env::var_os("PATH").unwrap_or_else(|| OsString::from("/usr/bin:/bin"));
    Environment::default().with("PATH", path).with("HOME", home)
}

/// Waits for the end, which is a good one.
pub(crate) async fn done(running: Running) -> Option<ChangeCounts> {
    running.finish(pending(), |_| {}).await.unwrap().changes
}

/// Plans into `tfplan` and applies that.
pub(crate) async fn apply(terraform: &Terraform) -> Option<ChangeCounts> {
    let plan = Path::new("tfplan");
    done(terraform.plan(plan, &PlanOptions::default()).await.unwrap()).await;
    let wait = std::time::Duration::ZERO;
    done(terraform.apply(plan, wait).await.unwrap()).await
}
