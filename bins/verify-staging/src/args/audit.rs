use clap::Args;

use super::capture::EvidenceArgs;

/// `audit`.
#[derive(Debug, Clone, Args)]
pub struct AuditArgs {
    /// Where evidence is kept.
    #[command(flatten)]
    pub evidence: EvidenceArgs,
    /// SHA-256 of a capture, noted elsewhere when it was the newest: it has to be in the chain
    #[arg(long, value_name = "SHA256", value_parser = digest)]
    pub noted: Option<String>,
    /// Print Markdown instead of a table
    #[arg(long)]
    pub markdown: bool,
}

fn digest(text: &str) -> Result<String, &'static str> {
    let text = text.trim().to_ascii_lowercase();
    if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        Ok(text)
    } else {
        Err("a SHA-256 has 64 hexadecimal digits")
    }
}
