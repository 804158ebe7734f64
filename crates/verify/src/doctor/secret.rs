//! A secret whose name waits for its deletion.

use aws_env::ErrorClass;
use report::ShellCommand;
use report::finding::{Finding, Unobserved};

use super::{Context, Diagnosis, unseen};

/// Secrets Manager keeps the name of a deleted secret until its recovery window is over.
pub(super) async fn deleted(context: Context<'_>, named: Option<String>) -> Diagnosis {
    let region = context.region();
    let mut next = Vec::new();
    let finding = match &named {
        None => unseen(
            "secret",
            "a secret",
            Unobserved::because("the error names no secret"),
        ),
        Some(name) => {
            let call = context
                .clients
                .call("Secrets Manager", "DescribeSecret", name);
            let answer = context.clients.secrets.describe_secret().secret_id(name);
            let seen = match answer.send().await.map_err(|error| call.failed(error)) {
                Ok(secret) => match secret.deleted_date() {
                    Some(date) => {
                        let of = |command| {
                            ShellCommand::new(command)
                                .option("--secret-id", name)
                                .option("--region", region)
                        };
                        next.push(of("aws secretsmanager restore-secret").into());
                        let arn = secret.arn().unwrap_or(name);
                        let import = context
                            .terraform()
                            .words("import ADDRESS")
                            .word(arn)
                            .comment("the address of the secret in the configuration");
                        next.push(import.into());
                        Ok((
                            false,
                            format!("it was deleted on {date}, and can be restored"),
                        ))
                    }
                    None => Ok((true, "it is not scheduled for deletion now".to_owned())),
                },
                Err(error) if error.class == ErrorClass::Absent => Ok((
                    true,
                    "its name is free now: run the command again".to_owned(),
                )),
                Err(error) => Err(error.into()),
            };
            Finding::new("secret", name, "a name that is free, or a secret that is there", seen)
                .fix("restore it and take it into the state, or give the new one another name; deleting it at once loses what it holds")
        }
    };
    Diagnosis {
        trouble: "secret-deleted",
        meaning: "A deleted secret keeps its name until its recovery window is over, 7 to 30 days.",
        findings: vec![finding],
        next,
    }
}
