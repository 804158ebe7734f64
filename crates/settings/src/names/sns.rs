//! Topics of SNS.

use super::NameError;
use super::arn::RegionalArn;
use crate::Region;

/// The ARN of an SNS topic: `arn:PARTITION:sns:REGION:ACCOUNT:NAME`.
///
/// A name has 1 to 256 letters, digits, hyphens and underscores, and `.fifo` at the end of a FIFO topic
/// (<https://docs.aws.amazon.com/sns/latest/api/API_CreateTopic.html>), which CloudWatch does not publish to
/// (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/AlarmThatSendsEmail.html>).
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize,
)]
#[serde(try_from = "String", into = "String")]
pub struct TopicArn {
    arn: String,
    region: Region,
}

impl TopicArn {
    /// The ARN.
    pub fn as_str(&self) -> &str {
        &self.arn
    }

    /// The region that the topic is in.
    pub fn region(&self) -> Region {
        self.region
    }
}

impl std::fmt::Display for TopicArn {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.arn)
    }
}

impl std::str::FromStr for TopicArn {
    type Err = NameError;

    fn from_str(value: &str) -> Result<TopicArn, NameError> {
        let what = "an SNS topic ARN";
        let arn = RegionalArn::parse(value, what, "sns", "arn:aws:sns:REGION:ACCOUNT:NAME")?;
        let is_name = (1..=256).contains(&arn.resource.len())
            && arn
                .resource
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if !is_name {
            return Err(NameError::new(
                value,
                what,
                "it does not end in the name of a standard topic",
                "copy the ARN from aws sns list-topics; alarms publish to no FIFO topic",
            ));
        }
        Ok(TopicArn {
            arn: value.to_owned(),
            region: arn.region,
        })
    }
}

impl TryFrom<String> for TopicArn {
    type Error = NameError;

    fn try_from(value: String) -> Result<TopicArn, NameError> {
        value.parse()
    }
}

impl From<TopicArn> for String {
    fn from(topic: TopicArn) -> String {
        topic.arn
    }
}
