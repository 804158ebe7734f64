//! What ARNs of one region have in common.

use super::NameError;
use crate::Region;

/// The parts of `arn:PARTITION:SERVICE:REGION:ACCOUNT:RESOURCE` that a type of its own is made of.
#[derive(Debug)]
pub(super) struct RegionalArn<'a> {
    pub(super) region: Region,
    pub(super) account_id: &'a str,
    pub(super) resource: &'a str,
}

impl<'a> RegionalArn<'a> {
    /// `what` is the article and name of the type, and `form` the ARN with its variable parts in capitals.
    pub(super) fn parse(
        value: &'a str,
        what: &str,
        of_service: &str,
        form: &str,
    ) -> Result<Self, NameError> {
        let wrong = |problem: &str, fix: &str| Err(NameError::new(value, what, problem, fix));
        let form = format!("write {form}");
        let parts: Vec<&str> = value.splitn(6, ':').collect();
        let ["arn", partition, service, region, account_id, resource] = parts[..] else {
            return wrong("it does not have the six parts of one", &form);
        };
        if service != of_service {
            return wrong("it does not have the six parts of one", &form);
        }
        let region: Region = region
            .parse()
            .map_err(|error: NameError| NameError::new(value, what, error.problem, error.fix))?;
        if partition != region.partition() {
            let fix = format!("the partition of {region} is {}", region.partition());
            return wrong("its partition is not that of its region", &fix);
        }
        if account_id.len() != 12 || !account_id.bytes().all(|b| b.is_ascii_digit()) {
            return wrong("its account is not 12 digits", &form);
        }
        Ok(Self {
            region,
            account_id,
            resource,
        })
    }
}
