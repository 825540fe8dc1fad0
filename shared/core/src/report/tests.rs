use super::*;
use crate::automation::OpsItemId;
use crate::guard::Course;
use crate::incident::tests::{ask, at, incident, plan, report, route, start, wait};
use crate::incident::{AttemptReport, Occasion, Undoing};

fn first(change: Change) -> Occasion {
    Occasion { change, number: 1 }
}

fn place() -> Place {
    Place {
        partition: Partition::from_static("aws"),
        account: AccountId::from_static("111122223333"),
        region: Region::from_static("eu-central-1"),
        environment: Environment::Dev,
    }
}

fn opened(course: Course) -> Incident {
    let mut incident = incident(course);
    incident.ops_item = Some(OpsItemId::from_static("oi-0a1b2c3d4e5f"));
    incident
}

fn started() -> Incident {
    let mut incident = opened(start());
    incident.done(Effect::Runbook);
    incident.started(None, at(13));
    incident
}

fn repaired() -> Incident {
    let mut incident = opened(start());
    let _ = incident.hear_outcome(&report(1, Outcome::Remediated, 30), 2, at(31));
    incident
}

#[test]
fn a_notification_reads_like_a_colleagues_message() {
    let notification = Notification::of(&repaired(), first(Change::Resolved), &route(), &place());
    assert_eq!(notification.subject, "[Mend dev] Resolved: SSH or RDP is open to the world, sg-0badcafe");
    assert_eq!(
        notification.text,
        "\
SSH or RDP is open to the world: AWS::EC2::SecurityGroup sg-0badcafe in eu-central-1, account 111122223333 (dev).

What happened: reported by Config rule ssh, as of 2023-11-14T22:13:30Z.
What Mend did: Mend-CloseAdminPorts repaired it and read it back: Closed tcp 22.
What you need to do: Nothing. If the change was intended: aws ssm start-automation-execution --document-name \
Mend-RestoreAdminPorts --parameters ExecutionId=2b7c9e14-8d3f-4c6a-9e05-1a2b3c4d5e6f undoes it, and exempts the \
resource for two weeks.

OpsItem:   https://eu-central-1.console.aws.amazon.com/systems-manager/opsitems/oi-0a1b2c3d4e5f?region=eu-central-1
Execution: https://eu-central-1.console.aws.amazon.com/systems-manager/automation/execution/2b7c9e14-8d3f-4c6a-9e05-1a2b3c4d5e6f?region=eu-central-1
Incident:  2028dffd4a4600c698c5c85866f8d978-1 (route close-admin-ports, severity high)
"
    );
}

#[test]
fn every_state_says_what_was_done_and_what_is_to_do() {
    let mut escalated = opened(start());
    let _ = escalated.hear_outcome(&report(1, Outcome::Failed("no permission".into()), 30), 2, at(31));
    escalated.take(start(), &[], at(31));
    let _ = escalated.hear_outcome(&report(2, Outcome::Failed("no permission".into()), 40), 2, at(41));
    for (incident, did, todo) in [
        (
            opened(Course::Record(plan())),
            "In mode enforce it would start \
            Mend-CloseAdminPorts (version 1) with SecurityGroupId sg-0badcafe.",
            "/mend/dev/mode/close-admin-ports",
        ),
        (opened(ask()), "waits for a person", "Approve or reject the execution of Mend-ApproveAndRun"),
        (opened(start()), "attempt 1 of 2", "Mend tells you how it ends"),
        (opened(wait()), "Nothing was changed. Deferred", "Otherwise repair it by hand"),
        (
            escalated,
            "Tried Mend-CloseAdminPorts 2 times, without success. The last time: no permission.",
            "repair the resource by hand",
        ),
        (repaired(), "repaired it and read it back", "--document-name Mend-RestoreAdminPorts"),
        (opened(Course::Escalate), "Nothing was changed. Escalated to a person", "resolve the OpsItem"),
    ] {
        let text = Notification::of(&incident, first(Change::Observed), &route(), &place()).text;
        assert!(text.contains(did), "{did} in {text}");
        assert!(text.contains(todo), "{todo} in {text}");
    }
}

#[test]
fn what_was_undone_is_not_said_to_be_repaired() {
    let mut incident = repaired();
    let undoing = Undoing {
        incident: incident.id.clone(),
        execution: ExecutionId::from_static("11111111-2222-4333-8444-555555555555"),
        changes: Some("Opened tcp 22 again.".to_owned()),
        exemption: None,
        at: at(60),
    };
    incident.undone(&undoing);
    let description = OpsItemContent::of(&incident, &route(), &place()).description;
    let undone =
        "**What Mend did:** Undone by execution 11111111-2222-4333-8444-555555555555: Opened tcp 22 again.";
    assert!(description.contains(undone) && !description.contains("repaired it"), "{description}");
}

#[test]
fn subjects_fit_sns() {
    let mut long = opened(Course::Record(plan()));
    long.resource.id = crate::resource::ResourceId::new("x".repeat(512)).unwrap();
    for change in Change::ALL {
        let subject = Notification::of(&long, first(change), &route(), &place()).subject;
        assert!(subject.len() < 100 && subject.is_ascii(), "{subject}");
        assert!(!subject.contains(char::is_control), "{subject}");
    }
}

#[test]
fn an_ops_item_names_everything_that_people_search_for() {
    let content = OpsItemContent::of(&repaired(), &route(), &place());
    assert_eq!(content.title, "SSH or RDP is open to the world: sg-0badcafe");
    assert_eq!(content.status, OpsItemStatus::Resolved);
    let searchable = |key: &str| match content.operational_data.get(key) {
        Some(OperationalValue::Searchable(text)) => text.clone(),
        other => panic!("{key}: {other:?}"),
    };
    assert_eq!(
        searchable("/aws/resources"),
        r#"[{"arn":"arn:aws:ec2:eu-central-1:111122223333:security-group/sg-0badcafe"}]"#
    );
    assert_eq!(
        searchable("/aws/automations"),
        r#"[{"automationId":"Mend-CloseAdminPorts","automationType":"AWS::SSM::Automation"},{"automationId":"Mend-RestoreAdminPorts","automationType":"AWS::SSM::Automation"}]"#
    );
    assert_eq!(searchable("mend/route"), "close-admin-ports");
    assert_eq!(searchable("mend/execution"), "2b7c9e14-8d3f-4c6a-9e05-1a2b3c4d5e6f");
    let Some(OperationalValue::Plain(timeline)) = content.operational_data.get("mend/timeline") else {
        panic!("no timeline");
    };
    assert_eq!(
        timeline,
        "2023-11-14T22:13:32Z Opened: Config rule ssh reports a violation as of 2023-11-14T22:13:30Z\n\
         2023-11-14T22:13:32Z Responding: \n\
         2023-11-14T22:13:50Z Closed tcp 22\n\
         2023-11-14T22:13:51Z Resolved: the runbook repaired it and proved it"
    );
}

/// The limits are `CreateOpsItem`'s: 1,024 and 2,048 characters, 20 KB a value, 128 characters a key.
#[test]
fn an_ops_item_keeps_within_ops_centers_limits() {
    let mut incident = opened(start());
    incident.resource.id = crate::resource::ResourceId::new("x".repeat(512)).unwrap();
    for number in 0..60 {
        incident.note(at(number), "ü".repeat(2_000));
    }
    let report = AttemptReport { changes: Some("ü".repeat(90_000)), ..report(1, Outcome::Remediated, 70) };
    let _ = incident.hear_outcome(&report, 2, at(71));
    let content = OpsItemContent::of(&incident, &route(), &place());
    assert!(content.title.chars().count() <= 1_024);
    assert!(content.description.chars().count() <= 2_048);
    for (key, value) in &content.operational_data {
        let (OperationalValue::Searchable(text) | OperationalValue::Plain(text)) = value;
        assert!(key.len() <= 128 && text.len() <= 20_480 && !text.is_empty(), "{key}: {}", text.len());
    }
}

#[test]
fn status_follows_state() {
    for (incident, status) in [
        (opened(Course::Record(plan())), OpsItemStatus::Open),
        (opened(wait()), OpsItemStatus::Open),
        (opened(start()), OpsItemStatus::Open),
        (started(), OpsItemStatus::InProgress),
        (repaired(), OpsItemStatus::Resolved),
    ] {
        assert_eq!(OpsItemContent::of(&incident, &route(), &place()).status, status, "{:?}", incident.state);
    }
}

#[test]
fn what_tells_of_a_change_again_carries_the_same_id_even_when_the_incident_has_moved_on() {
    let id =
        |incident: &Incident, occasion| MendEvent::of(incident, occasion, &route(), &place()).detail["id"].clone();
    let responding = Occasion { change: Change::Responding, number: 1 };
    let running = opened(start());
    assert_eq!(id(&running, responding), id(&repaired(), responding));
    assert_ne!(id(&running, responding), id(&repaired(), Occasion { change: Change::Resolved, number: 2 }));
    assert_ne!(id(&running, responding), id(&running, Occasion { number: 3, ..responding }));
}

#[test]
fn machines_get_the_same_as_people() {
    let event = MendEvent::of(&repaired(), first(Change::Resolved), &route(), &place());
    assert_eq!(event.detail_type, "Mend Incident Resolved");
    assert_eq!(event.detail["decision"], "resolve");
    assert_eq!(event.detail["state"], "resolved");
    assert_eq!(event.detail["resource"]["id"], "sg-0badcafe");
    let notification = Notification::of(&repaired(), first(Change::Resolved), &route(), &place());
    assert_eq!(notification.json, event.detail);
    let attributes = notification.attributes.map(|(name, value)| format!("{name}={value}"));
    assert_eq!(
        attributes,
        [
            "severity=high",
            "route=close-admin-ports",
            "account=111122223333",
            "environment=dev",
            "decision=resolve",
            "change=Resolved"
        ]
    );
}
