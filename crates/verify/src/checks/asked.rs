//! A context for tests that judge without asking.

use aws_env::{AwsEnv, Options};
use serde_json::Value;
use settings::Settings;

use super::Context;
use crate::clients::EnvironmentClients;
use crate::locate::Located;
use crate::wanted::Wanted;

pub(crate) struct Asked {
    pub(crate) clients: EnvironmentClients,
    located: Located,
    pub(crate) wanted: Wanted,
}

impl Asked {
    /// Outputs by name, as terraform would give them.
    pub(crate) async fn new(outputs: &[(&str, Value)]) -> Self {
        let text = include_str!("../../../../examples/berthcare-staging/infra.toml");
        let settings = Settings::parse(text, jiff::civil::date(2026, 11, 1)).unwrap();
        let env = AwsEnv::load(Options {
            endpoint_url: Some("http://127.0.0.1:9".to_owned()),
            ..Options::default()
        });
        let (env, region) = (env.await.unwrap(), settings.regions.primary);
        Self {
            clients: EnvironmentClients::new(&env.access(region), &env.global(region)),
            located: Located::of(outputs),
            wanted: Wanted::new(&settings),
        }
    }

    pub(crate) fn context(&self) -> Context<'_> {
        Context {
            clients: &self.clients,
            located: &self.located,
            wanted: &self.wanted,
            account: "123456789012",
            at: "2026-11-01T12:00:00Z".parse().unwrap(),
        }
    }
}
