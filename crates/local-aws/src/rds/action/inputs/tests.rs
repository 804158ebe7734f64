//! What the actions look at, found out by asking each of them with each input.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};

use super::*;
use crate::rds::action::{Asked, KmsKey, Request, named};
use crate::rds::model::{Model, RdsQuotas};
use crate::rds::name::Place;

const INSTANCE: &str = "arn:aws:rds:ca-central-1:0:db:app";

fn place(region: &str) -> Place {
    Place {
        region: region.to_owned(),
        account: "0".to_owned(),
    }
}

fn fields(text: &str) -> Fields {
    let pairs = text.split_ascii_whitespace();
    Fields::new(pairs.map(|pair| {
        let (name, value) = pair.split_once('=').unwrap();
        (name.to_owned(), value.to_owned())
    }))
}

/// Does what `text` asks for, in `region`, which has to be accepted.
fn act(model: &mut Model, region: &str, text: &str) -> Fields {
    let (action, text) = text.split_once(' ').unwrap_or((text, ""));
    let fields = fields(text);
    let place = place(region);
    let request = Request {
        place: &place,
        fields: &fields,
        asked: &Asked::default(),
    };
    let done = named(action).unwrap()(model, &request);
    if let Err(refusal) = done {
        panic!("{action} {text}: {}: {}", refusal.code, refusal.message);
    }
    fields
}

/// Lets the model reach a time; nobody has servers.
fn step(model: &mut Model, minutes: i64) {
    let until = model.now + SignedDuration::from_mins(minutes);
    while let Some((at, event)) = model.next_event(until) {
        model.now = model.now.max(at);
        use crate::rds::model::time::Event;
        match event {
            Event::Instance(key) => {
                let backs_up = model.instances[&key].status == "creating";
                model.finish_phase(&key);
                if backs_up {
                    model.backed_up(&key, at, None);
                }
            }
            Event::Snapshot(key) => model.finish_snapshot(&key),
            Event::Arrival(arn) => model.arrive(&arn, at),
            Event::Daily(key) => model.end_daily(&key, false),
            Event::Maintenance(key) => model.maintain(&key),
            Event::Tick => {
                let logging = model.logging().into_iter();
                let logging = logging.map(|(_, resource)| (resource, None));
                model.tick(at, logging.collect());
            }
        }
    }
    model.now = until;
}

/// An instance with a snapshot, its backups replicated, a replica, groups.
fn world() -> Model {
    let now: Timestamp = "2026-11-30T12:00:00Z".parse().unwrap();
    let mut model = Model::new(now, RdsQuotas::default());
    let (here, there) = ("ca-central-1", "us-east-1");
    act(
        &mut model,
        here,
        "CreateDBInstance DBInstanceIdentifier=app Engine=postgres DBInstanceClass=db.t4g.micro AllocatedStorage=20 \
         MasterUsername=app MasterUserPassword=correct-horse BackupRetentionPeriod=7",
    );
    step(&mut model, 10);
    let replicate =
        format!("StartDBInstanceAutomatedBackupsReplication SourceDBInstanceArn={INSTANCE}");
    act(&mut model, there, &replicate);
    let replica = format!(
        "CreateDBInstanceReadReplica SourceDBInstanceIdentifier={INSTANCE} DBInstanceIdentifier=replica"
    );
    act(&mut model, there, &replica);
    let take = "CreateDBSnapshot DBInstanceIdentifier=app DBSnapshotIdentifier=seed";
    act(&mut model, here, take);
    let group = "CreateDBSubnetGroup DBSubnetGroupName=g DBSubnetGroupDescription=g SubnetIds.member.1=a SubnetIds.member.2=b";
    act(&mut model, here, group);
    let group = "CreateDBParameterGroup DBParameterGroupName=p DBParameterGroupFamily=postgres18 Description=p";
    act(&mut model, here, group);
    // One that nothing follows, one that is stopped, and one that is gone and has left its backups.
    for id in ["alone", "stopped", "gone"] {
        let create = format!(
            "CreateDBInstance DBInstanceIdentifier={id} Engine=postgres DBInstanceClass=db.t4g.micro \
             AllocatedStorage=20 MasterUsername=app MasterUserPassword=correct-horse"
        );
        act(&mut model, here, &create);
    }
    step(&mut model, 30);
    act(
        &mut model,
        here,
        "StopDBInstance DBInstanceIdentifier=stopped",
    );
    let delete = "DeleteDBInstance DBInstanceIdentifier=gone SkipFinalSnapshot=true DeleteAutomatedBackups=false";
    act(&mut model, here, delete);
    step(&mut model, 10);
    model
}

/// A request of each action that is accepted as it is: region, action and inputs.
fn requests() -> Vec<(&'static str, String)> {
    let (here, there) = ("ca-central-1", "us-east-1");
    let text = |text: &str| text.to_owned();
    let of = |action: &str| format!("{action} DBInstanceIdentifier=alone");
    vec![
        (
            here,
            format!("AddTagsToResource ResourceName={INSTANCE} Tags.Tag.1.Key=a"),
        ),
        (
            there,
            text(
                "CopyDBSnapshot SourceDBSnapshotIdentifier=arn:aws:rds:ca-central-1:0:snapshot:seed \
                 TargetDBSnapshotIdentifier=copy",
            ),
        ),
        (
            here,
            text(
                "CreateDBInstance DBInstanceIdentifier=new Engine=postgres DBInstanceClass=db.t4g.micro \
                 AllocatedStorage=20 MasterUsername=app MasterUserPassword=correct-horse",
            ),
        ),
        (
            there,
            format!(
                "CreateDBInstanceReadReplica SourceDBInstanceIdentifier={INSTANCE} DBInstanceIdentifier=other"
            ),
        ),
        (
            here,
            text(
                "CreateDBParameterGroup DBParameterGroupName=q DBParameterGroupFamily=postgres18 Description=p",
            ),
        ),
        (
            here,
            text("CreateDBSnapshot DBInstanceIdentifier=app DBSnapshotIdentifier=next"),
        ),
        (
            here,
            text(
                "CreateDBSubnetGroup DBSubnetGroupName=h DBSubnetGroupDescription=g SubnetIds.member.1=a \
                 SubnetIds.member.2=b",
            ),
        ),
        (
            here,
            format!("{} SkipFinalSnapshot=true", of("DeleteDBInstance")),
        ),
        (
            here,
            text("DeleteDBInstanceAutomatedBackup DbiResourceId=RETAINED"),
        ),
        (here, text("DeleteDBParameterGroup DBParameterGroupName=p")),
        (here, text("DeleteDBSnapshot DBSnapshotIdentifier=seed")),
        (here, text("DeleteDBSubnetGroup DBSubnetGroupName=g")),
        (here, text("DescribeAccountAttributes")),
        (here, text("DescribeDBEngineVersions")),
        (here, text("DescribeDBInstanceAutomatedBackups")),
        (here, text("DescribeDBInstances")),
        (here, text("DescribeDBParameterGroups")),
        (here, text("DescribeDBParameters DBParameterGroupName=p")),
        (
            here,
            text("DescribeDBSnapshotAttributes DBSnapshotIdentifier=seed"),
        ),
        (here, text("DescribeDBSnapshots")),
        (here, text("DescribeDBSubnetGroups")),
        (here, text("DescribeEvents")),
        (
            here,
            text("DescribeOrderableDBInstanceOptions Engine=postgres"),
        ),
        (here, text("DescribePendingMaintenanceActions")),
        (here, text("DescribeSourceRegions")),
        (here, format!("ListTagsForResource ResourceName={INSTANCE}")),
        (here, of("ModifyDBInstance")),
        (
            here,
            text(
                "ModifyDBParameterGroup DBParameterGroupName=p Parameters.Parameter.1.ParameterName=work_mem \
                 Parameters.Parameter.1.ParameterValue=64",
            ),
        ),
        (
            here,
            text(
                "ModifyDBSubnetGroup DBSubnetGroupName=g SubnetIds.member.1=a SubnetIds.member.2=b",
            ),
        ),
        (
            there,
            text("PromoteReadReplica DBInstanceIdentifier=replica"),
        ),
        (here, of("RebootDBInstance")),
        (
            here,
            format!("RemoveTagsFromResource ResourceName={INSTANCE} TagKeys.member.1=a"),
        ),
        (
            here,
            text("ResetDBParameterGroup DBParameterGroupName=p ResetAllParameters=true"),
        ),
        (
            here,
            text(
                "RestoreDBInstanceFromDBSnapshot DBSnapshotIdentifier=seed DBInstanceIdentifier=new",
            ),
        ),
        (
            here,
            text(
                "RestoreDBInstanceToPointInTime SourceDBInstanceIdentifier=app TargetDBInstanceIdentifier=new \
                 UseLatestRestorableTime=true",
            ),
        ),
        (here, text("StartDBInstance DBInstanceIdentifier=stopped")),
        (
            there,
            text(
                "StartDBInstanceAutomatedBackupsReplication SourceDBInstanceArn=arn:aws:rds:ca-central-1:0:db:alone",
            ),
        ),
        (here, of("StopDBInstance")),
        (
            there,
            format!("StopDBInstanceAutomatedBackupsReplication SourceDBInstanceArn={INSTANCE}"),
        ),
    ]
}

/// A value of a kind.
fn value(kind: char) -> (&'static str, &'static str) {
    match kind {
        'b' => ("", "true"),
        'i' => ("", "1"),
        'd' => ("", "2026-11-30T12:00:00Z"),
        'l' => (".member.1", "x"),
        't' => (".X", "x"),
        _ => ("", "x"),
    }
}

/// Whether the action looks at the input, when it is asked for something that it would do otherwise.
fn looks_at(model: &Model, (region, text): (&str, &str), input: &str, kind: char) -> bool {
    let (action, rest) = text.split_once(' ').unwrap_or((text, ""));
    let (below, value) = match input {
        "CloudwatchLogsExportConfiguration" => (".EnableLogTypes.member.1", "x"),
        "Tags" => (".Tag.1.Key", "x"),
        "Filters" => (".Filter.1.Name", "x"),
        "Parameters" => (".Parameter.1.ParameterName", "x"),
        _ => value(kind),
    };
    // The proxy looks at keys, and the action at what it has found.
    let key = |name: &str| (input == name).then(|| KmsKey::Unusable("x".to_owned()));
    let asked = Asked {
        key: key("KmsKeyId"),
        insights_key: key("PerformanceInsightsKMSKeyId"),
        secret_key: key("MasterUserSecretKmsKeyId"),
        ..Asked::default()
    };
    let given = rest
        .split_ascii_whitespace()
        .any(|pair| pair.split(['=', '.']).next() == Some(input));
    let text = match given {
        true => rest.to_owned(),
        false => format!("{rest} {input}{below}={value}"),
    };
    let fields = fields(&text);
    let place = place(region);
    let request = Request {
        place: &place,
        fields: &fields,
        asked: &asked,
    };
    let mut model = model.clone();
    // Without the input it is accepted.
    let done = named(action).unwrap()(&mut model, &request);
    done.is_err() || !fields.unread().contains(input)
}

#[test]
fn inputs_that_no_action_looks_at_are_all_listed_and_no_others() {
    let model = world();
    let retained = model
        .backups
        .values()
        .find(|backup| backup.status == "retained")
        .unwrap()
        .resource_id
        .clone();
    let requests = requests();
    let mut found = BTreeSet::new();
    for (region, text) in &requests {
        let text = text.replace("RETAINED", &retained);
        act(&mut model.clone(), region, &text);
        let action = text.split(' ').next().unwrap();
        for (input, kind) in of(action) {
            if !looks_at(&model, (region, &text), input, kind) {
                found.insert(format!("{action}\t{input}"));
            }
        }
    }
    let asked: BTreeSet<&str> = requests
        .iter()
        .map(|(_, text)| text.split(' ').next().unwrap())
        .collect();
    let model: BTreeSet<&str> = MODEL
        .lines()
        .filter_map(|line| line.split('\t').next())
        .collect();
    assert_eq!(asked, model, "each action is asked");
    for (action, input, reason) in unread() {
        match reason {
            "" => println!("{input} of {action} is refused"),
            reason => println!("{input} of {action} is ignored: {reason}"),
        }
    }
    let listed: BTreeSet<String> = unread()
        .map(|(action, input, _)| format!("{action}\t{input}"))
        .collect();
    let missing: Vec<_> = found.difference(&listed).collect();
    let read: Vec<_> = listed.difference(&found).collect();
    assert!(missing.is_empty(), "not looked at: {missing:#?}");
    assert!(read.is_empty(), "looked at: {read:#?}");
}

/// The members of the lists and structures that actions look at, as the model has them. Of a parameter RDS takes name, value and
/// apply method alone; the others are those of DescribeDBParameters.
/// <https://docs.aws.amazon.com/AmazonRDS/latest/APIReference/API_ModifyDBParameterGroup.html>
#[test]
fn members_that_no_action_looks_at_are_told() {
    let model = world();
    let here = "ca-central-1";
    let modify = "ModifyDBParameterGroup DBParameterGroupName=p Parameters.Parameter.1.ParameterName=work_mem \
                  Parameters.Parameter.1.ParameterValue=64";
    let told = |text: &str| {
        let fields = act(&mut model.clone(), here, text);
        fields.unread().into_iter().collect::<Vec<_>>()
    };
    for (text, unread) in [
        (format!("{modify} Parameters.Parameter.1.ApplyMethod=immediate"), false),
        (format!("{modify} Parameters.Parameter.1.AllowedValues=64"), true),
        (format!("{modify} Parameters.Parameter.1.Source=user"), true),
        (
            "DescribeDBInstances Filters.Filter.1.Name=db-instance-id Filters.Filter.1.Values.Value.1=app".to_owned(),
            false,
        ),
        (
            format!("AddTagsToResource ResourceName={INSTANCE} Tags.Tag.1.Key=a Tags.Tag.1.Value=b"),
            false,
        ),
        (
            format!("AddTagsToResource ResourceName={INSTANCE} Tags.Tag.1.Key=a Tags.Tag.1.Colour=b"),
            true,
        ),
        (
            "ModifyDBInstance DBInstanceIdentifier=alone CloudwatchLogsExportConfiguration.DisableLogTypes.member.1=upgrade"
                .to_owned(),
            false,
        ),
    ] {
        assert_eq!(!told(&text).is_empty(), unread, "{text}");
    }
}

#[test]
fn check_refuses_what_is_unknown_or_not_simulated_and_lets_the_rest_pass() {
    let code =
        |action: &str, text: &str| check(action, &fields(text)).map_err(|refusal| refusal.code);
    assert_eq!(
        code(
            "CreateDBInstance",
            "Action=CreateDBInstance Version=1 Port=1"
        ),
        Ok(())
    );
    let unknown = code("CreateDBInstance", "Prt=1");
    assert_eq!(unknown, Err("InvalidQueryParameter"));
    let structure = "ProcessorFeatures.ProcessorFeature.1.Name=coreCount";
    assert_eq!(code("CreateDBInstance", structure), Err("NotSimulated"));
    // What it answers is not the base's.
    let actions = MODEL.lines().filter_map(|line| line.split('\t').next());
    assert!(actions.clone().count() > 30);
    for action in actions {
        assert!(
            named(action).is_some() && !is_of_the_base(action),
            "{action}"
        );
    }
}
