use std::path::Path;

use anyhow::Context as _;
use cli::{Exit, Failure, GlobalArgs};
use probe::{ProbeClients, ProbeOptions, Target, Trust};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;

use super::exit;
use super::side::{Reached, Sided};
use crate::args::probe::ProbeArgs;

pub(super) async fn run(global: &GlobalArgs, args: &ProbeArgs) -> Result<Exit, Failure> {
    let trust = trust(args.ca.as_deref())?;
    let sided = Sided::find(global, args.side).await?;
    let settings = &sided.settings;
    let outputs = sided.outputs(&args.source).await?;
    let reached = sided.reach().await?;
    let clients = ProbeClients::new(reached.region());
    let via = |target| {
        let found = args.via.iter().find(|via| via.target == target);
        found.map(|via| via.address.clone())
    };
    let replicas = settings
        .buckets
        .iter()
        .map(|pair| (pair.name.to_string(), pair.dr.to_string()));
    let options = ProbeOptions {
        targets: if args.only.is_empty() {
            Target::ALL.to_vec()
        } else {
            args.only.clone()
        },
        database_via: via(Target::Database),
        redis_via: via(Target::Redis),
        trust,
        timeout: args.timeout,
        count: args.count.into(),
        urls: args.http.clone(),
        replicas: replicas.collect(),
        // Nothing is replicated out of the DR region.
        dr: match &reached {
            Reached::Primary(both) => Some(both.dr.clients()),
            Reached::Dr(_) => None,
        },
    };
    let name = settings.name();
    let probed = probe::probe(&clients, &outputs, &name, &options, cli::now()).await;
    cli::print_in_form(global, &args.form, &*probed, &probed)?;
    Ok(exit::of(
        probed.findings.iter().map(|finding| finding.status),
    ))
}

/// The system's authorities, and those of a file.
pub(super) fn trust(file: Option<&Path>) -> Result<Trust, Failure> {
    let mut authorities = rustls_native_certs::load_native_certs().certs;
    if let Some(path) = file {
        authorities.extend(bundle(path).map_err(|error| Failure::new(Exit::Usage, error))?);
    }
    Trust::new(authorities).map_err(|error| {
        Failure::new(
            Exit::Usage,
            anyhow::Error::new(error).context("failed to set up TLS"),
        )
        .hint("install the system's certificates (Debian: ca-certificates), or give --ca FILE")
    })
}

/// The certificates of a file, each of which can serve as an authority.
pub(super) fn bundle(path: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let read = || format!("failed to read {}", path.display());
    let pem = std::fs::read(path).with_context(read)?;
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let certificates = certificates.with_context(read)?;
    anyhow::ensure!(
        !certificates.is_empty(),
        "{} has no PEM certificate in it",
        path.display()
    );
    // One that cannot serve would be left out silently, and its servers be refused.
    Trust::new(certificates.iter().cloned()).with_context(read)?;
    Ok(certificates)
}
