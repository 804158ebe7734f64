//! The DR side of the backend, for when the primary region is lost.

use aws_env::DrOnly;
use settings::Settings;

use crate::backend::ConnectError;
use crate::problem::Problem;
use crate::side::{SideAccess, SideClients};
use crate::spec::{Side, Spec};

/// The DR side of the backend alone. It is made of a [`DrOnly`], so that whatever is done with it cannot call the primary
/// region, nor the control plane of the global services.
///
/// ```compile_fail,E0308
/// # async fn f(settings: &settings::Settings, both: &aws_env::Both) {
/// state_backend::DrBackend::connect(settings, both).await;
/// # }
/// ```
///
/// ```
/// # async fn f(settings: &settings::Settings, both: &aws_env::Both) {
/// state_backend::DrBackend::connect(settings, &both.dr_only()).await;
/// # }
/// ```
#[derive(Debug)]
pub struct DrBackend {
    spec: Spec,
    dr: Side,
    clients: SideClients,
    account_unproven: Option<Problem>,
}

impl DrBackend {
    /// Asks the DR region's STS who we are. Where it alone is silent, the account that the settings name is taken for the
    /// credentials' own: [`DrBackend::account_unproven`] then says so, and the region is not taken for lost.
    ///
    /// # Errors
    /// When the settings have no DR side, nothing in its region answers, the credentials are not good or of another
    /// account than the settings name, or nobody says which account it is.
    pub async fn connect(settings: &Settings, dr: &DrOnly) -> Result<Self, ConnectError> {
        Self::open(Spec::of_settings(settings), dr).await
    }

    /// [`DrBackend::connect`] without settings.
    ///
    /// # Errors
    /// As there.
    pub async fn open(mut spec: Spec, dr: &DrOnly) -> Result<Self, ConnectError> {
        let side = spec.dr.clone().ok_or(ConnectError::NoDrSide)?;
        let clients = dr.region().clients();
        let reached = clients.reachability().await;
        let (clients, account) = SideClients::new(clients, reached)?;
        match account {
            Some(account) => spec.settle_account(account)?,
            None if !clients.is_lost && !spec.account.is_empty() => {}
            None => return Err(clients.into_silence().into()),
        }
        Ok(Self {
            spec,
            dr: side,
            account_unproven: clients.silent("STS").cloned(),
            clients,
        })
    }

    /// What is wanted, with the account's names and ARNs.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// The side that this is of.
    pub fn side(&self) -> &Side {
        &self.dr
    }

    /// Why nobody has proven that the credentials are of the settings' account.
    pub fn account_unproven(&self) -> Option<&Problem> {
        self.account_unproven.as_ref()
    }

    pub(crate) fn access(&self) -> SideAccess<'_> {
        self.clients.at(&self.spec, &self.dr)
    }
}
