//! Calls that may be made for a while only.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient,
    SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use tokio::time::Instant;

/// Until when calls may be made, by a clock that goes on while the process is stopped. Whoever carries a run prolongs it
/// as long as the run is theirs: a process that was stopped for longer (SIGSTOP, a machine that slept) changes nothing
/// after it has woken up, since another may carry the run by then.
#[derive(Debug, Clone, Default)]
pub struct CallPermit(Arc<Mutex<Option<Instant>>>);

/// A call came after its permit had ended. It was not sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("this process does not carry the run any more")]
pub struct NotPermitted;

impl CallPermit {
    /// Lets calls be made until `until`; earlier ends do not count any more.
    pub fn extend(&self, until: Instant) {
        let mut end = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *end = Some(until);
    }

    /// Lets no call be made.
    pub fn revoke(&self) {
        let mut end = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *end = None;
    }

    /// Whether a call may be made now.
    pub fn holds(&self) -> bool {
        let end = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        end.is_some_and(|end| Instant::now() < end)
    }
}

/// Sends what may be sent by its permit.
#[derive(Debug)]
pub(crate) struct Permitted {
    pub(crate) permit: CallPermit,
    pub(crate) inner: SharedHttpClient,
}

impl HttpClient for Permitted {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(PermittedConnector {
            permit: self.permit.clone(),
            inner: self.inner.http_connector(settings, components),
        })
    }
}

struct PermittedConnector {
    permit: CallPermit,
    inner: SharedHttpConnector,
}

impl fmt::Debug for PermittedConnector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PermittedConnector")
    }
}

impl HttpConnector for PermittedConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        match self.permit.holds() {
            true => self.inner.call(request),
            false => HttpConnectorFuture::ready(Err(ConnectorError::user(Box::new(NotPermitted)))),
        }
    }
}
