use std::io::Write as _;

use report::Report as _;
use tempfile::tempdir;

use super::achieved::Summing;
use super::*;
use crate::{FolderStore, Store as _};

const GOALS: Goals = Goals {
    rto_seconds: 2700,
    rpo_database_seconds: 900,
    rpo_objects_seconds: 900,
};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn second(second: i64) -> Timestamp {
    Timestamp::from_second(second).unwrap()
}

fn list(series: &[(Measure, &str)]) -> Arc<[Series]> {
    let series = series.iter().map(|(measure, of)| Series {
        measure: *measure,
        of: (*of).to_owned(),
    });
    series.collect()
}

fn sample(at: Timestamp, holds: u32, values: &[Option<u64>]) -> Sample {
    Sample {
        at,
        holds,
        series: list(&[
            (Measure::OldestUnreplicated, "photos"),
            (Measure::RecoveryPointAge, "app"),
        ]),
        values: values.to_vec(),
    }
}

/// The most memory that the process has had, in KiB.
fn peak() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status
        .lines()
        .find(|line| line.starts_with("VmHWM"))
        .unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// A quarter at five minutes: buckets, databases and states, of which a bucket stood still once and a database twice.
struct Quarter {
    begin: i64,
    end: i64,
    series: Arc<[Series]>,
    /// Of which series, from when to when.
    outages: [(usize, i64, i64); 2],
    /// Nobody looked.
    gap: (i64, i64),
}

impl Quarter {
    fn new() -> Self {
        let begin = at("2026-08-30T00:02:11Z").as_second();
        let mut series = Vec::new();
        for bucket in ["photos", "documents", "exports"] {
            series.push((Measure::OldestUnreplicated, bucket));
            series.push((Measure::Backlog, bucket));
        }
        for database in ["app", "reports"] {
            series.push((Measure::RecoveryPointAge, database));
            series.push((Measure::LatestRestorableAge, database));
        }
        series.push((Measure::SerialsBehind, "staging/terraform.tfstate"));
        let day = |days: i64, seconds: i64| begin + days * 86_400 + seconds;
        Self {
            begin,
            end: begin + 92 * 86_400,
            series: list(&series),
            outages: [
                (0, day(20, 47_233), day(20, 47_233 + 20_517)),
                (6, day(80, 9_191), day(80, 9_191 + 7_849)),
            ],
            gap: (day(40, 0), day(40, 3 * 3600)),
        }
    }

    fn samples(&self) -> impl Iterator<Item = Sample> {
        let looks = (self.begin..self.end).step_by(300);
        let looks = looks.filter(|at| !(self.gap.0..self.gap.1).contains(at));
        looks.map(|now| Sample {
            at: second(now),
            holds: 900,
            series: self.series.clone(),
            values: (0..self.series.len())
                .map(|of| Some(self.seen(of, now)))
                .collect(),
        })
    }

    fn seen(&self, of: usize, now: i64) -> u64 {
        let usual = (now / 300 * 7919 + of as i64 * 104_729) % 41;
        let outage = self.outages.iter().find(|(series, ..)| *series == of);
        let age = match outage {
            Some((_, from, until)) if (*from..*until).contains(&now) => now - from + usual,
            _ => usual,
        };
        u64::try_from(age).unwrap()
    }
}

fn achieved(summary: &LedgerSummary, window: usize, of: usize, quarter: &Quarter) -> Achieved {
    let all = &summary.windows[window].achieved;
    let found = all.iter().find(|one| one.series == quarter.series[of]);
    found.unwrap().clone()
}

#[test]
fn quarter_with_two_outages_has_its_worst_moments_to_the_minute() {
    let quarter = Quarter::new();
    let folder = tempdir().unwrap();
    let path = folder.path().join("ledger.txt");
    let mut file = std::io::BufWriter::new(std::fs::File::create(&path).unwrap());
    let mut looks = 0_u64;
    for sample in quarter.samples() {
        let (list, line) = sample.lines();
        if looks == 0 {
            writeln!(file, "{list}").unwrap();
        }
        writeln!(file, "{line}").unwrap();
        looks += 1;
    }
    file.flush().unwrap();
    drop(file);
    let bytes = std::fs::metadata(&path).unwrap().len();
    let before = peak();
    let begun = std::time::Instant::now();
    let summary = read_ledger_file(&path, GOALS, second(quarter.end)).unwrap();
    let took = begun.elapsed();
    println!(
        "a quarter of {looks} looks at {} numbers: {bytes} bytes on the disk, {} bytes a look; read in {} ms, {} KiB more \
         memory at the most ({} KiB in all)",
        quarter.series.len(),
        bytes / looks,
        took.as_millis(),
        peak() - before,
        peak()
    );
    assert!(bytes < 3 << 20, "{bytes}");
    assert_eq!((summary.looks, summary.unreadable), (looks, 0));
    for (of, from, until) in quarter.outages {
        let found = achieved(&summary, 2, of, &quarter);
        let worst = found.worst.unwrap();
        // The last look of the outage, and what it saw.
        let last = (quarter.begin..until).step_by(300).last().unwrap();
        assert_eq!(worst.at, second(last), "{found:?}");
        assert_eq!(worst.value, quarter.seen(of, last));
        assert!(until - last < 300 && worst.value >= u64::try_from(last - from).unwrap());
        // Beyond from the first look that saw more than the objective to the first one that saw less.
        let looks = (quarter.begin..quarter.end).step_by(300);
        let beyond = looks.filter(|now| quarter.seen(of, *now) > 900).count() as u64;
        assert_eq!(found.beyond_seconds, beyond * 300);
    }
    // The first one is further back than a month, the second is not.
    assert!(achieved(&summary, 1, 0, &quarter).worst.unwrap().value <= 41);
    assert!(achieved(&summary, 1, 6, &quarter).worst.unwrap().value > 7_000);
    assert!(achieved(&summary, 0, 6, &quarter).worst.unwrap().value <= 41);
    // Three hours in which nobody looked, of which the look before speaks for a quarter of an hour.
    let gap = achieved(&summary, 2, 3, &quarter);
    assert_eq!(gap.unknown_seconds, 3 * 3600 - (900 - 300));
    assert_eq!(achieved(&summary, 0, 3, &quarter).unknown_seconds, 0);
}

/// What follows from some looks, at a time.
fn summed(samples: &[Sample], now: Timestamp) -> LedgerSummary {
    let mut summing = Summing::new(now, GOALS);
    for sample in samples {
        let (list, line) = sample.lines();
        summing.line(&list);
        summing.line(&line);
    }
    summing.finish()
}

#[test]
fn what_nobody_looked_at_or_could_not_be_told_is_unknown_and_never_good() {
    let now = at("2026-11-30T12:00:00Z");
    let before = |minutes: i64| now - jiff::SignedDuration::from_mins(minutes);
    let summary = summed(
        &[
            sample(before(60), 600, &[Some(10), None]),
            sample(before(20), 600, &[Some(20), Some(901)]),
            // A clock that is ahead.
            sample(before(-60), 600, &[Some(99_999), Some(99_999)]),
        ],
        now,
    );
    assert_eq!((summary.looks, summary.unreadable), (2, 1));
    let day = &summary.windows[0].achieved;
    let of = |measure| {
        day.iter()
            .find(|one| one.series.measure == measure)
            .unwrap()
    };
    let (objects, database) = (
        of(Measure::OldestUnreplicated),
        of(Measure::RecoveryPointAge),
    );
    assert_eq!((objects.known_seconds, objects.beyond_seconds), (1200, 0));
    assert_eq!(objects.unknown_seconds, 86_400 - 1200);
    assert_eq!(
        (database.known_seconds, database.beyond_seconds),
        (600, 600)
    );
    assert_eq!(
        database.worst.unwrap(),
        Worst {
            value: 901,
            at: before(20)
        }
    );
    let told = summary.document().to_markdown();
    let wanted = "worst 20s at 2026-11-30T11:40:00Z, not known for 23h 40m";
    assert!(told.contains(wanted), "{told}");
    // Nothing at all.
    let nothing = summed(&[], now);
    assert_eq!(nothing.looks, 0);
    assert!(
        nothing
            .document()
            .to_markdown()
            .contains("nothing is known")
    );
}

#[test]
fn look_that_is_older_than_the_one_before_counts_for_the_worst_alone() {
    let now = at("2026-11-30T12:00:00Z");
    let before = |minutes: i64| now - jiff::SignedDuration::from_mins(minutes);
    let summary = summed(
        &[
            sample(before(20), 600, &[Some(20), Some(20)]),
            sample(before(30), 600, &[Some(2000), Some(30)]),
        ],
        now,
    );
    let objects = &summary.windows[0].achieved[0];
    assert_eq!(
        objects.worst.unwrap(),
        Worst {
            value: 2000,
            at: before(30)
        }
    );
    assert_eq!(objects.known_seconds, 600);
    let told = summary.document().to_markdown();
    let wanted = "worst 33m 20s at 2026-11-30T11:30:00Z, not known for 23h 50m";
    assert!(told.contains(wanted), "{told}");
}

#[test]
fn line_that_was_cut_off_or_changed_says_nothing() {
    let whole = sample(at("2026-11-30T11:50:00Z"), 600, &[Some(12), Some(345)]);
    let (list, line) = whole.lines();
    let mut lines = Lines::default();
    assert_eq!(lines.read(&list), None);
    assert_eq!(lines.read(&line), Some(whole));
    let unreadable = [
        &line[..line.len() - 1],
        &line[..line.len() - 3],
        "0f0f0f 1 1 1 1 .",
        &list[..list.len() - 1],
        &list.replace("photos", "photo"),
        "=x []",
        "<html>",
    ];
    for (at, bad) in unreadable.iter().enumerate() {
        assert_eq!(lines.read(bad), None, "{bad}");
        assert_eq!(lines.unreadable, at as u64 + 1, "{bad}");
    }
}

#[test]
fn file_is_only_added_to_and_a_new_line_begins_after_one_that_was_cut_off() {
    let folder = tempdir().unwrap();
    let path = folder.path().join("ledger.txt");
    let look = |minute: i64| {
        let time = second(at("2026-11-30T11:00:00Z").as_second() + minute * 60);
        sample(time, 600, &[Some(1), None])
    };
    append_to_file(&path, &look(0)).unwrap();
    append_to_file(&path, &look(5)).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text.lines().count(), 3, "{text}");
    std::fs::write(&path, &text[..text.len() - 4]).unwrap();
    append_to_file(&path, &look(10)).unwrap();
    let after = std::fs::read_to_string(&path).unwrap();
    assert!(after.starts_with(&text[..text.len() - 4]), "{after}");
    let summary = read_ledger_file(&path, GOALS, at("2026-11-30T11:15:00Z")).unwrap();
    assert_eq!((summary.looks, summary.unreadable), (2, 1));
    use std::os::unix::fs::PermissionsExt as _;
    let mode = std::fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn days_beside_the_records_get_what_they_lack_from_every_machine_and_lose_nothing() {
    let (here, there) = (tempdir().unwrap(), tempdir().unwrap());
    let records = tempdir().unwrap();
    let store = FolderStore::new(records.path());
    let [file, other] = [&here, &there].map(|folder| folder.path().join("ledger.txt"));
    let look = |time: &str, value| sample(at(time), 600, &[Some(value), Some(1)]);
    let now = at("2026-11-30T00:10:00Z");
    // The bucket could not be reached for a while.
    append_to_file(&file, &look("2026-11-29T23:50:00Z", 3)).unwrap();
    append_to_file(&file, &look("2026-11-30T00:00:00Z", 2)).unwrap();
    append_to_file(&other, &look("2026-11-29T23:55:00Z", 7)).unwrap();
    for file in [&file, &other, &file] {
        bring_to_store(&store, file, now).await.unwrap();
    }
    let day = store.read("ledger/2026-11-29.txt").await.unwrap().unwrap();
    let text = String::from_utf8(day.bytes).unwrap();
    assert_eq!(text.lines().count(), 3, "{text}");
    let summary = read_ledger(&store, GOALS, now).await.unwrap().unwrap();
    assert_eq!((summary.looks, summary.unreadable), (3, 0));
    let worst = summary.windows[0].achieved[0].worst.unwrap();
    assert_eq!((worst.value, worst.at), (7, at("2026-11-29T23:55:00Z")));
    assert_eq!(
        read_ledger(&store, GOALS, at("2027-11-30T00:10:00Z"))
            .await
            .unwrap(),
        None
    );
}

#[test]
fn pictures_show_each_day_and_leave_out_what_nobody_knows() {
    let now = at("2026-11-30T12:00:00Z");
    let before = |hours: i64| now - jiff::SignedDuration::from_hours(hours);
    let summary = summed(
        &[
            sample(before(50), 600, &[Some(901), None]),
            sample(before(1), 600, &[Some(10), Some(5)]),
        ],
        now,
    );
    let objects = &summary.days[0];
    assert_eq!(
        (objects.worst[91], objects.worst[90], objects.worst[89]),
        (Some(10), None, Some(901))
    );
    let page = summary.charts().to_html(&report::Page::new("x"));
    assert!(
        page.contains("<svg") && page.contains("objective 15m"),
        "{page}"
    );
    let measured = Measured {
        environment: "berthcare-staging".to_owned(),
        sample: sample(now, 600, &[Some(901), None]),
        problems: vec![None, Some("denied".to_owned())],
        objectives: GOALS,
    };
    assert!(measured.is_beyond() && !measured.is_known());
    let told = measured.document().to_markdown();
    assert!(
        told.contains("| photos | oldest unreplicated object | 15m 1s | 15m |"),
        "{told}"
    );
    assert!(told.contains("not known | 15m | denied |"), "{told}");
}
