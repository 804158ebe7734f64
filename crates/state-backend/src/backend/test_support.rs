//! A backend whose S3 answers as a test says; nothing else of it is called.

use aws_env::{AwsEnv, GlobalClients, Options};
use jiff::civil::date;
use settings::Settings;

use super::Backend;
use crate::side::SideClients;
use crate::spec::Spec;

/// With the names of the example.
pub(crate) async fn backend(primary: aws_sdk_s3::Client, dr: aws_sdk_s3::Client) -> Backend {
    let example = include_str!("../../../../examples/berthcare-staging/infra.toml");
    let settings = Settings::parse(example, date(2026, 11, 22)).unwrap();
    let spec = Spec::new(&settings, "000000000000");
    // Port 9 is "discard": a call that is not mocked fails.
    let endpoint_url = Some("http://127.0.0.1:9".to_owned());
    let env = AwsEnv::load(Options {
        endpoint_url,
        ..Options::default()
    })
    .await
    .unwrap();
    let clients = |s3, region| {
        let mut of_region = env.region(region);
        of_region.s3 = s3;
        SideClients {
            clients: of_region,
            silent: Vec::new(),
            is_lost: false,
        }
    };
    let dr = spec.dr.as_ref().map(|side| clients(dr, side.region));
    Backend {
        primary: clients(primary, spec.primary.region),
        dr,
        global: GlobalClients::new(&env.global(spec.primary.region)),
        spec,
    }
}
