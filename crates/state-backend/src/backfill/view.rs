//! A backfill as text.

use report::{Document, Mark, Report, counted};

use super::{Backfill, BackfillObject, BackfillOutcome, BackfillReason, BatchReplication};

impl BackfillReason {
    fn text(self) -> &'static str {
        match self {
            Self::NeverReplicated => "written before replication",
            Self::Failed => "S3 says FAILED",
            Self::Pending => "S3 says PENDING",
            Self::Delivered => "delivered once, and gone there",
            Self::Replica => "a replica itself",
        }
    }
}

impl BackfillObject {
    fn row(&self) -> (Mark, Vec<String>) {
        let (mark, word) = match self.outcome {
            BackfillOutcome::Planned => (Mark::Plain, "copy"),
            BackfillOutcome::Copied => (Mark::Ok, "copied"),
            BackfillOutcome::Left { .. } => (Mark::Wrong, "left"),
            BackfillOutcome::Unknown { .. } => (Mark::Unknown, "unknown"),
        };
        let kind = match self.state {
            Some(_) => "state",
            None => "object",
        };
        let cells = vec![
            word.to_owned(),
            kind.to_owned(),
            self.key.clone(),
            self.bytes
                .map(|bytes| bytes.to_string())
                .unwrap_or_default(),
            self.reason
                .map(BackfillReason::text)
                .unwrap_or_default()
                .to_owned(),
        ];
        (mark, cells)
    }

    /// What is said below the table, which it would make too wide.
    fn remark(&self) -> Option<String> {
        match &self.outcome {
            BackfillOutcome::Left { left } => Some(format!("{}: {}.", self.key, left.text)),
            BackfillOutcome::Unknown { problem } => Some(format!("{}: {problem}.", self.key)),
            BackfillOutcome::Planned | BackfillOutcome::Copied => None,
        }
    }
}

impl Report for Backfill {
    const KIND: &'static str = "backfill";

    fn document(&self) -> Document {
        let Self {
            from,
            from_bucket,
            to,
            to_bucket,
            replicated,
            ..
        } = self;
        let rows = self.objects.iter().map(BackfillObject::row).collect();
        let mut document = Document::new()
            .heading(format!("Backfill: {from} to {to}"))
            .text(format!("Bucket {from_bucket}, to bucket {to_bucket}."))
            .table(["", "What", "Key", "Bytes", "Why it is not there"], rows);
        for remark in self.objects.iter().filter_map(BackfillObject::remark) {
            document = document.text(remark);
        }
        let role = self
            .replication
            .as_ref()
            .and_then(|batch| batch.role.as_ref());
        if let (Some(batch), None) = (&self.batch, role) {
            document = document.text(format!(
                "S3 Batch Replication brings what is not copied here, with --role-arn ROLE, with `batch_role` in [state.dr] or by \
                 `{batch}`."
            ));
        }
        if let Some(replication) = &self.replication {
            document = replication.append_to(document);
        }
        let planned = self.planned();
        let copied = self.count(|outcome| matches!(outcome, BackfillOutcome::Copied));
        let left = self.count(|outcome| matches!(outcome, BackfillOutcome::Left { .. }));
        let unknown = self.count(|outcome| matches!(outcome, BackfillOutcome::Unknown { .. }));
        let objects = |count: usize| counted(count, "object");
        let changed = match copied {
            0 => format!("{} to be copied", objects(planned)),
            copied => format!("{} copied", objects(copied)),
        };
        document.text(format!(
            "{replicated} in both regions, {changed}, {left} left, {unknown} unknown."
        ))
    }
}

impl BatchReplication {
    fn append_to(&self, document: Document) -> Document {
        let Self { objects, bytes, .. } = self;
        let as_role = self.role.as_ref();
        let as_role = as_role.map_or_else(String::new, |role| format!(" as {role}"));
        let mut document = document.text(format!(
            "For a job{as_role}: {}, {}, with all older versions. S3 charges the job, each version in it, its replication and the \
             transfer between the regions.",
            counted(*objects, "object"),
            counted(*bytes, "byte")
        ));
        if let Some(refused) = &self.refused {
            document = document.text(format!("No job is made: {refused}."));
        }
        let Some(job) = &self.job else {
            return document;
        };
        let found = match job.found {
            true => ", which was under way,",
            false => "",
        };
        let why = match job.reasons.is_empty() {
            true => String::new(),
            false => format!(" ({})", job.reasons.join("; ")),
        };
        document = document.text(format!(
            "Job {}{found} is {}{why}: {} of {} replicated, {} failed.",
            job.id,
            job.status,
            job.succeeded,
            counted(job.objects, "version"),
            job.failed
        ));
        for failure in &job.failures {
            document = document.text(format!("{}: {}.", failure.key, failure.why));
        }
        document
    }
}
