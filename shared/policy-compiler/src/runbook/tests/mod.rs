//! Each rule with a runbook that breaks it: a good one with one passage changed.

use std::path::Path;

use super::Runbooks;
use super::action::call;
use super::kind::{Kind, restore_of};
use super::parameters::{accepts, expected_pattern};

/// A runbook that repairs, with a little of everything.
pub(crate) const CLOSE: &str = include_str!("Mend-CloseAdminPorts.yaml");
/// The runbook that undoes it.
pub(crate) const RESTORE: &str = include_str!("Mend-RestoreAdminPorts.yaml");

/// The runbook that asks before another runs.
const ASK: &str = include_str!("Mend-ApproveAndRun.yaml");

const GOOD: [(&str, &str); 3] = [
    ("Mend-CloseAdminPorts.yaml", CLOSE),
    ("Mend-RestoreAdminPorts.yaml", RESTORE),
    ("Mend-ApproveAndRun.yaml", ASK),
];

/// What is wrong with the runbooks of a folder.
fn told(files: &[(&str, &str)]) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    let mut errors = Vec::new();
    let named = |path: &Path| path.strip_prefix(folder.path()).unwrap().to_owned();
    Runbooks::read(folder.path(), named, &mut errors);
    errors.iter().map(ToString::to_string).collect()
}

/// The text with one passage changed. A passage that occurs more than once is changed where it occurs first.
fn with(text: &str, passage: &str, instead: &str) -> String {
    assert!(text.contains(passage), "{passage}");
    text.replacen(passage, instead, 1)
}

/// Each case changes one passage of a good runbook, and gets these errors, beginning with their lines.
fn each_is_told(good: &str, cases: &[(&str, &str, &[&str])]) {
    for (passage, instead, expected) in cases {
        let changed = with(good, passage, instead);
        let files = GOOD.map(|(name, text)| (name, if text == good { changed.as_str() } else { text }));
        let name = GOOD.iter().find(|(_, text)| *text == good).unwrap().0;
        let expected = expected.iter().map(|error| format!("{name}:{error}")).collect::<Vec<_>>();
        assert_eq!(told(&files), expected, "{passage:?} became {instead:?}");
    }
}

#[test]
fn good_runbooks_pass() {
    assert_eq!(told(&GOOD), [""; 0]);
}

#[test]
fn the_form_is_that_of_schema_0_3() {
    each_is_told(
        CLOSE,
        &[
            ("schemaVersion: \"0.3\"", "schemaVersion: \"0.4\"", &["1: schemaVersion must be \"0.3\""]),
            (
                "schemaVersion",
                "colour: red\nschemaVersion",
                &[
                    "1: unknown field `colour`, expected one of schemaVersion, description, assumeRole, parameters, mainSteps, outputs",
                ],
            ),
            (
                "    isCritical: false",
                "    critical: false",
                &[
                    "90: unknown field `critical`, expected one of name, action, description, inputs, outputs, maxAttempts, timeoutSeconds, onFailure, onCancel, isEnd, nextStep, isCritical",
                ],
            ),
            (
                "    timeoutSeconds: 60",
                "    timeoutSeconds: 60\n    timeoutSeconds: 61",
                &["31: duplicate mapping key `timeoutSeconds` is not allowed here"],
            ),
            ("        Type: MapList", "", &["39: missing field `Type`"]),
            (
                "Type: MapList",
                "Type: Maps",
                &["40: the type of Look.Rules must be String, StringList, Boolean, Integer, StringMap or MapList"],
            ),
            (
                "$.SecurityGroupRules",
                "SecurityGroupRules",
                &["39: a selector begins with $ and goes on with .name, ..name, ['name'] or [number]"],
            ),
            (
                "action: aws:sleep",
                "action: aws:pause",
                &[
                    "82: the action must be one of aws:executeAwsApi, aws:assertAwsResourceProperty, aws:waitForAwsResourceProperty, aws:branch, aws:executeScript, aws:executeAutomation, aws:approve, aws:sleep; what another does has to be added to the checker",
                ],
            ),
            ("      Service: ec2\n", "", &["32: aws:executeAwsApi needs Service, a text"]),
            (
                "      Duration:",
                "      Duration: PT1S\n    outputs:\n      - { Name: A, Selector: $, Type: String }\n    x:",
                &[
                    "88: unknown field `x`, expected one of name, action, description, inputs, outputs, maxAttempts, timeoutSeconds, onFailure, onCancel, isEnd, nextStep, isCritical",
                ],
            ),
            (
                "      Duration: \"{{ Wait }}\"",
                "      Duration: PT1S\n    outputs:\n      - { Name: A, Selector: $, Type: String }",
                &["87: aws:sleep declares no outputs"],
            ),
        ],
    );
}

#[test]
fn it_says_what_it_changes_and_a_start_says_with_whose_hands() {
    let says = "2: the description must say what the runbook changes, beginning with a verb: Closes …, Turns …";
    each_is_told(
        CLOSE,
        &[
            ("Closes the admin ports of one security group. Mend", "Mend", &[says]),
            ("Closes the", "The", &[says]),
            (
                "\"{{ AutomationAssumeRole }}\"",
                "\"{{ Incident }}\"",
                &["3: assumeRole must be \"{{ AutomationAssumeRole }}\": a start says whose hands"],
            ),
            (
                "\"{{ AutomationAssumeRole }}\"",
                "role",
                &["3: assumeRole must be \"{{ AutomationAssumeRole }}\": a start says whose hands"],
            ),
        ],
    );
}

#[test]
fn a_files_name_is_a_verb_and_a_noun() {
    for name in ["Mend-Close.yaml", "Close-Door.yaml", "Mend-closeDoor.yaml"] {
        let told = told(&[GOOD[0], GOOD[1], (name, &CLOSE.replace("  - Plan.BeforeState\n", ""))]);
        let problem = "the file's name must be Mend-, a verb and a noun, like Mend-CloseAdminPorts.yaml";
        assert_eq!(told, [format!("{name}: {problem}")]);
    }
    assert_eq!(told(&[("Mend-CloseDoor.yml", CLOSE)]), ["Mend-CloseDoor.yml: the file's name must end in .yaml"]);
}

#[test]
fn parameters_let_nothing_hostile_in() {
    let differs = "must do without (?, && and \\, which Java, Python and Rust read differently";
    for (pattern, problem) in [
        ("sg-[0-9a-f]{8}$", "must begin with ^ and end with $"),
        ("^sg-[0-9a-f]{8}", "must begin with ^ and end with $"),
        ("^a$|b", "must begin with ^ and end with $"),
        ("^[a-z]*$", "lets an empty value in"),
        ("^.+$", "lets '\\0' in"),
        ("^[^/]+$", "lets '\\0' in"),
        ("^[ -~]+$", "lets ' ' in"),
        ("^a{{2}$", "is no regular expression"),
        ("^[{]a$", "lets '{' in"),
        ("^(a|b[}])$", "lets '}' in"),
        ("^a'b$", "lets '\\'' in"),
        ("^[A-z]+$", "lets '\\\\' in"),
        ("^[a-zé]+$", "lets 'é' in"),
        ("^\\d+$", differs),
        ("^(?i)a$", differs),
        ("^[a&&b]$", differs),
    ] {
        let changed =
            with(CLOSE, "\"^sg-([0-9a-f]{8}|[0-9a-f]{17})$\"", &format!("'{}'", pattern.replace('\'', "''")));
        let expected = format!("Mend-CloseAdminPorts.yaml:20: the allowedPattern of SecurityGroupId {problem}");
        assert_eq!(told(&[(GOOD[0].0, &changed), GOOD[1]]), [expected], "{pattern}");
    }
}

#[test]
fn parameters_are_typed_described_and_checked() {
    each_is_told(
        CLOSE,
        &[
            (
                "  SecurityGroupId:\n    type: String",
                "  SecurityGroupId:\n    type: Text",
                &[
                    "18: the type of SecurityGroupId must be String, StringList, Boolean, Integer, StringMap or MapList",
                ],
            ),
            (
                "description: Which group.",
                "description: \"\"",
                &["19: the description of SecurityGroupId is empty"],
            ),
            ("    description: Which group.\n", "", &["19: missing field `description`"]),
            (
                "    allowedPattern: \"^sg-([0-9a-f]{8}|[0-9a-f]{17})$\"\n",
                "",
                &["17: SecurityGroupId needs an allowedPattern: its value comes from outside"],
            ),
        ],
    );
}

#[test]
fn every_runbook_takes_the_common_parameters_with_their_patterns() {
    each_is_told(
        CLOSE,
        &[
            (
                "  Attempt:\n    type: String\n    description: Which attempt.\n    allowedPattern: \"^[1-9][0-9]?$\"\n",
                "",
                &["3: a runbook of this kind takes the parameter Attempt: ^[1-9][0-9]?$"],
            ),
            ("^[1-9][0-9]?$", "^[0-9]+$", &["16: the allowedPattern of Attempt must be ^[1-9][0-9]?$"]),
            (
                "^[0-9a-f]{32}-[1-9][0-9]{0,8}$",
                "^[0-9a-f]{32}$",
                &["12: the allowedPattern of Incident must be ^[0-9a-f]{32}-[1-9][0-9]{0,8}$"],
            ),
        ],
    );
}

#[test]
fn the_common_parameters_take_the_agreed_values() {
    for (name, good, bad) in [
        (
            "Incident",
            &["0123456789abcdef0123456789abcdef-1"][..],
            &["0123456789abcdef0123456789abcdef-0", "1", ""][..],
        ),
        ("Attempt", &["1", "99"], &["0", "100", "-1", "1\n"]),
        (
            "AutomationAssumeRole",
            &["arn:aws:iam::123456789012:role/mend-dev-network", "arn:aws-us-gov:iam::123456789012:role/a/b_c"],
            &["arn:aws:iam::1234:role/x", "arn:aws:iam::123456789012:user/x", "arn:aws:iam::123456789012:role/"],
        ),
        ("ExecutionId", &["01234567-89ab-cdef-0123-456789abcdef"], &["incident#x", "01234567-89ab-cdef"]),
        ("LedgerTableName", &["mend-dev-ledger"], &["a b", "ab", "a/b"]),
        ("ExemptDays", &["1", "7", "30", "89", "90"], &["0", "91", "100", "07", "-1", "1.5", "7 days"]),
        ("What", &["\"SSH\" & <RDP> [prod] of 5 % …", "x"], &["", "{", "}", "a\nb", "ö", "\u{7f}"]),
        ("RunbookName", &["Mend-CloseAdminPorts"], &["AWS-RunShellScript", "Mend-", "Mend-A:1"]),
        ("RunbookVersion", &["1", "12"], &["0", "$LATEST", "$DEFAULT", "1.0"]),
        (
            "RunbookParameters",
            &["{}", r#"{"SecurityGroupId":"sg-1"}"#, r#"{"A":"a b","B":"arn:aws:iam::1:role/x@y+z=,.-_"}"#],
            &["", "[]", "{{ x }}", r#"{"A":"{{ x }}"}"#, r#"{"A":1}"#, r#"{"A":""}"#, r#"{"A":"\u0041"}"#],
        ),
    ] {
        let pattern = expected_pattern(name, Kind::Asks);
        assert!(good.iter().all(|value| accepts(pattern, value)), "{name}");
        assert!(!bad.iter().any(|value| accepts(pattern, value)), "{name}");
    }
}

#[test]
fn the_steps_hang_together() {
    each_is_told(
        CLOSE,
        &[
            ("- name: Look\n", "- name: Look at\n", &["27: a step's name must be letters, digits and _"]),
            (
                "- name: Pause",
                "- name: Verify",
                &["109: two steps are called Verify", "79: Choose goes on to Pause, and there is no such step"],
            ),
            (
                "nextStep: LookAgain",
                "nextStep: LookTwice",
                &["96: Change goes on to LookTwice, and there is no such step"],
            ),
            (
                "onFailure: step:LookAgain",
                "onFailure: step:LookTwice",
                &["91: Change goes on to LookTwice, and there is no such step"],
            ),
            ("NextStep: Conclude", "NextStep: End", &["72: Choose goes on to End, and there is no such step"]),
            ("Default: Pause", "Default: Stop", &["79: Choose goes on to Stop, and there is no such step"]),
            ("Default: Pause", "Default: Change", &["81: no way leads to Pause"]),
            (
                "nextStep: LookAgain",
                "nextStep: Plan",
                &["42: the steps run in a circle: Plan -> Choose -> Pause -> Change -> Plan"],
            ),
            (
                "onFailure: step:LookAgain",
                "onFailure: Continue",
                &["91: onFailure must be Abort or step:NAME: AWS leaves open what Continue means"],
            ),
            (
                "onFailure: step:LookAgain",
                "onFailure: step:LookAgain\n    onCancel: Stop",
                &["92: onCancel must be Abort or step:NAME: AWS leaves open what Stop means"],
            ),
            (
                "    isCritical: false\n",
                "",
                &["90: onFailure goes on, so isCritical must say whether the execution has failed then"],
            ),
            (
                "onFailure: step:LookAgain",
                "onFailure: Abort",
                &["90: a step that aborts when it fails cannot be uncritical"],
            ),
            (
                "    isEnd: true",
                "    isEnd: true\n    isCritical: true\n    onFailure: step:Verify",
                &["126: a step cannot end the execution and go on when it fails"],
            ),
            (
                "      Default: Pause\n",
                "",
                &["71: aws:branch needs a Default, so that it says where every way goes on"],
            ),
        ],
    );
}

#[test]
fn every_way_ends_in_conclude() {
    let last = "121: the last step must be Conclude, with isEnd: true";
    let name = CLOSE.replace("name: Conclude", "name: End").replace("NextStep: Conclude", "NextStep: End");
    let name = name.replace("Conclude.", "End.");
    let told = told(&[(GOOD[0].0, &name), GOOD[1]]);
    assert!(told.contains(&format!("{}:{last}", GOOD[0].0)), "{told:?}");
    each_is_told(
        CLOSE,
        &[
            ("    isEnd: true\n", "", &[last]),
            (
                "  - name: Verify\n",
                "  - name: Verify\n    isEnd: true\n",
                &["109: Verify ends the execution; only Conclude may"],
            ),
            (
                "      - Name: Changes\n        Selector: $.Payload.Changes\n        Type: String\n",
                "",
                &["121: Conclude must put out Changes, a String, from $.Payload.Changes"],
            ),
            (
                "$.Payload.Changes\n        Type: String",
                "$.Payload.Changes\n        Type: StringMap",
                &["137: Conclude must put out Changes, a String, from $.Payload.Changes"],
            ),
            (
                "  - Conclude.Changes\n",
                "",
                &["144: outputs must begin with Conclude.Outcome, Conclude.Changes, Conclude.BeforeState"],
            ),
            (
                "  - Plan.BeforeState",
                "  - Plan.BeforeState\n  - Plan.Open",
                &["148: besides the conclusion, only a step's BeforeState is put out"],
            ),
            (
                "  - Plan.BeforeState",
                "  - Look.BeforeState",
                &["147: no step declares the output Look.BeforeState"],
            ),
        ],
    );
}

#[test]
fn a_reference_names_what_has_a_value_on_every_way() {
    each_is_told(
        CLOSE,
        &[
            (
                "[\"{{ SecurityGroupId }}\"]",
                "[\"{{ Colour }}\"]",
                &["36: {{ Colour }}: there is no such parameter or value"],
            ),
            ("global:REGION", "global:COLOUR", &["50: {{ global:COLOUR }}: there is no such parameter or value"]),
            ("global:REGION", "ssm:/a/b", &["50: {{ ssm:/a/b }}: there is no such parameter or value"]),
            ("{{ Look.Rules }}", "{{ Peek.Rules }}", &["49: {{ Peek.Rules }}: there is no step Peek"]),
            ("{{ Look.Rules }}", "{{ Look.Groups }}", &["49: {{ Look.Groups }}: Look declares no output Groups"]),
            (
                "{{ Look.Rules }}",
                "{{ LookAgain.Rules }}",
                &["49: {{ LookAgain.Rules }}: LookAgain has not succeeded on every way to here"],
            ),
            (
                "        Outcome: \"{{ Plan.Outcome }}\"",
                "        Rules: \"{{ LookAgain.Rules }}\"",
                &["129: {{ LookAgain.Rules }}: LookAgain has not succeeded on every way to here"],
            ),
            ("{{ Look.Rules }}", "{{ Look.Rules", &["49: an unfinished or nested reference: {{ Look.Rules"]),
            (
                "{{ Look.Rules }}",
                "{{ {{ Look.Rules }} }}",
                &["49: an unfinished or nested reference: {{ {{ Look.Rules }} }}"],
            ),
            ("        Rules:", "        \"{{ Incident }}\":", &["49: a key cannot hold a reference"]),
            (
                "{{ SecurityGroupId }} in",
                "{{ Look.Rules }} in",
                &["50: {{ Look.Rules }} is a MapList, which cannot stand inside a text"],
            ),
        ],
    );
    each_is_told(
        RESTORE,
        // The way by which the read has failed ends in a script that only raises.
        &[(
            "            raise RuntimeError",
            "            RuntimeError",
            &["75: {{ Read.BeforeState }}: Read has not succeeded on every way to here"],
        )],
    );
}

#[test]
fn nothing_from_outside_chooses_what_is_called() {
    let fixed = |input: &str| format!("{input} must be a fixed text: nothing from outside may choose it");
    each_is_told(
        CLOSE,
        &[
            ("Service: ec2", "Service: \"{{ Wait }}\"", &[&format!("32: {}", fixed("Service"))]),
            (
                "Handler: plan",
                "Handler: \"{{ Wait }}\"",
                &[&format!("47: {}", fixed("Handler")), "47: the script has no def {{ Wait }}(events, context):"],
            ),
        ],
    );
    let child = "    action: aws:executeAutomation\n    inputs:\n      DocumentName: \"{{ Wait }}\"\n    x: ";
    let changed = with(
        CLOSE,
        "    action: aws:sleep\n    timeoutSeconds: 60\n    inputs:\n      Duration: \"{{ Wait }}\"",
        &child.replace("    x: ", "    timeoutSeconds: 60"),
    );
    assert_eq!(
        told(&[(GOOD[0].0, &changed), GOOD[1]]),
        [
            format!("Mend-CloseAdminPorts.yaml:84: {}", fixed("DocumentName")),
            "Mend-CloseAdminPorts.yaml:84: what this child execution changes has to be added to the checker"
                .to_owned(),
        ]
    );
}

#[test]
fn a_branch_compares_what_can_be_compared() {
    each_is_told(
        CLOSE,
        &[
            (
                "StringEquals: AlreadyCompliant",
                "Matches: AlreadyCompliant",
                &["74: aws:branch has no operation Matches"],
            ),
            (
                "StringEquals: AlreadyCompliant",
                "StringEquals: true",
                &["74: StringEquals compares a String, and this is a boolean"],
            ),
            (
                "BooleanEquals: true",
                "BooleanEquals: \"true\"",
                &["78: BooleanEquals compares a Boolean, and this is text"],
            ),
            (
                "StringEquals: AlreadyCompliant",
                "NumericEquals: 1",
                &["73: NumericEquals compares a Integer, and {{ Plan.Outcome }} is a String"],
            ),
            (
                "{{ Plan.Open }}",
                "{{ Look.Rules }}",
                &["77: BooleanEquals compares a Boolean, and {{ Look.Rules }} is a MapList"],
            ),
            (
                "Variable: \"{{ Plan.Outcome }}\"",
                "Variable: Plan.Outcome",
                &["73: Variable must be one reference"],
            ),
            (
                "          Variable: \"{{ Plan.Outcome }}\"\n",
                "",
                &["72: a condition has Variable and one operation, or And, Or or Not"],
            ),
            (
                "        - NextStep: Conclude\n          Variable",
                "        - Variable",
                &["72: a choice needs NextStep"],
            ),
        ],
    );
}

#[test]
fn it_looks_before_it_changes_anything_and_afterwards() {
    let looked = "87: Change changes ec2, and no step has looked there before";
    let read_back = "87: Change changes ec2, and a way to Conclude does not read back what came of it";
    let verified = "87: a way leads from Change to Conclude without a step called Verify";
    let concludes = "27: Conclude changes something, and nothing reads back what came of it";
    each_is_told(
        CLOSE,
        &[
            ("Service: ec2", "Service: s3", &[looked]),
            (
                "Api: DescribeSecurityGroupRules",
                "Api: CreateSecurityGroup",
                &[
                    "27: Look changes ec2, and no step has looked there before",
                    "27: Look changes ec2, and a way to Conclude does not read back what came of it",
                    "27: a way leads from Look to Conclude without a step called Verify",
                    looked,
                    "27: no way leads to Conclude without a change, so what is compliant already would be changed",
                    "27: Look changes something before a before-state has been put out",
                ],
            ),
            (
                "nextStep: LookAgain",
                "nextStep: Verify",
                &["116: {{ LookAgain.Rules }}: LookAgain has not succeeded on every way to here", read_back],
            ),
            ("nextStep: LookAgain", "nextStep: Conclude", &[read_back, verified]),
            (
                "            return events\n    outputs:\n      - Name: Outcome\n        Selector: $.Payload.Outcome\n        Type: String\n      - Name: Changes",
                "            ec2 = boto3.client(\"ec2\")\n            ec2.delete_security_group()\n            return events\n    outputs:\n      - Name: Outcome\n        Selector: $.Payload.Outcome\n        Type: String\n      - Name: Changes",
                &[concludes],
            ),
            ("onFailure: step:LookAgain", "onFailure: step:Conclude", &[read_back, verified]),
            ("NextStep: Conclude", "NextStep: Change", &[]),
        ],
    );
    // What a failed look goes on to has not looked.
    let again = "  - name: LookAgain\n    action: aws:executeAwsApi\n";
    let bypass = format!("{again}    isCritical: false\n    onFailure: step:Conclude\n");
    let told = told(&[(GOOD[0].0, &with(CLOSE, again, &bypass)), GOOD[1]]);
    assert_eq!(told, [read_back, verified].map(|error| format!("Mend-CloseAdminPorts.yaml:{error}")));
}

#[test]
fn an_operation_changes_something_unless_its_verb_says_otherwise() {
    for (operation, changes) in [
        ("DescribeSecurityGroups", false),
        ("GetPublicAccessBlock", false),
        ("get_public_access_block", false),
        ("ListBuckets", false),
        ("head_bucket", false),
        ("Listen", true),
        ("GetterCreate", true),
        ("getaway", true),
        ("PutPublicAccessBlock", true),
        ("put_public_access_block", true),
        ("RevokeSecurityGroupIngress", true),
    ] {
        assert_eq!(call("x", operation).changes, changes, "{operation}");
    }
}

#[test]
fn scripts_and_child_executions_count_as_what_they_call() {
    each_is_told(
        RESTORE,
        &[
            (
                "ec2.describe_security_groups()",
                "ec2.delete_security_group()",
                &[
                    "79: Look changes ec2, and no step has looked there before",
                    "97: Change changes ec2, and no step has looked there before",
                ],
            ),
            (
                "boto3.client(\"ec2\")",
                "boto3.client(\"s3\")",
                &["97: Change changes ec2, and no step has looked there before"],
            ),
            (
                "Api: DescribeSecurityGroups",
                "Api: CreateSecurityGroup",
                &["108: aws:waitForAwsResourceProperty must call what only reads"],
            ),
        ],
    );
    let child = with(
        CLOSE,
        "    action: aws:executeAwsApi\n    timeoutSeconds: 60\n    isCritical: false\n    onFailure: step:LookAgain\n    inputs:\n      Service: ec2\n      Api: RevokeSecurityGroupIngress\n      GroupId: \"{{ SecurityGroupId }}\"\n",
        "    action: aws:executeAutomation\n    timeoutSeconds: 60\n    inputs:\n      DocumentName: AWSConfigRemediation-EnableKeyRotation\n",
    );
    let expected = [
        "Mend-CloseAdminPorts.yaml:87: Change changes kms, and no step has looked there before",
        "Mend-CloseAdminPorts.yaml:87: Change changes kms, and a way to Conclude does not read back what came of it",
    ];
    assert_eq!(told(&[(GOOD[0].0, &child), GOOD[1]]), expected);
}

#[test]
fn scripts_are_short_live_and_can_be_seen_through() {
    let form = "AWS is called as in s3 = boto3.client(\"s3\") and then s3.get_bucket_acl, so that it can be seen";
    let long = "            pass\n".repeat(120);
    each_is_told(
        CLOSE,
        &[
            ("Runtime: python3.11", "Runtime: python3.10", &["46: Runtime must be one of python3.11, python3.12"]),
            ("Runtime: python3.11", "Runtime: python2.7", &["46: Runtime must be one of python3.11, python3.12"]),
            ("Handler: plan", "Handler: other", &["47: the script has no def other(events, context):"]),
            (
                "        import json\n",
                "        import os\n",
                &[
                    "52: a script says only import boto3, import hashlib, import json, import re, from botocore.exceptions import ClientError, from botocore.exceptions import BotoCoreError, ClientError, from datetime import UTC, datetime, from datetime import UTC, datetime, timedelta",
                ],
            ),
            (
                "json.dumps(events)}",
                "{{ Incident }}}",
                &["56: a script holds no {{ and no }}: hand values in through InputPayload"],
            ),
            ("            pass\n", &long, &["118: a script has at most 120 lines"]),
        ],
    );
    each_is_told(
        RESTORE,
        &[
            (
                "        ec2 = boto3.client(\"ec2\")",
                "        ec2 = boto3.resource(\"ec2\")",
                &[&format!("88: {form}")],
            ),
            ("ec2.describe_security_groups()", "look_at(ec2)", &[&format!("93: {form}")]),
            ("ec2.describe_security_groups()", "getattr(ec2, events[\"Call\"])()", &[&format!("93: {form}")]),
        ],
    );
}

#[test]
fn no_step_waits_for_ever() {
    each_is_told(
        CLOSE,
        &[
            ("    timeoutSeconds: 60\n", "", &["27: Look needs timeoutSeconds, from 1 to 600"]),
            ("timeoutSeconds: 60", "timeoutSeconds: 601", &["30: Look needs timeoutSeconds, from 1 to 600"]),
        ],
    );
}

#[test]
fn nothing_belongs_to_one_account_region_or_resource() {
    for (literal, what) in [
        ("123456789012", "123456789012 is an account id"),
        ("eu-central-1", "eu-central-1 is a Region"),
        ("us-gov-west-1", "us-gov-west-1 is a Region"),
        ("eu-central-1b", "eu-central-1b is a Region"),
        ("sg-0123456789abcdef0", "sg-0123456789abcdef0 is a resource's id"),
        ("vpc-01234567", "vpc-01234567 is a resource's id"),
        ("arn:aws:s3:::bucket", "arn:aws: is an ARN of one partition; write arn:{{ global:AWS_PARTITION }}:"),
        (
            "01234567-89ab-cdef-0123-456789abcdef",
            "01234567-89ab-cdef-0123-456789abcdef is a UUID, the id of some resource",
        ),
    ] {
        each_is_told(
            CLOSE,
            &[("        - Name: group-id", &format!("        - Name: {literal}"), &[&format!("35: {what}")])],
        );
    }
}

#[test]
fn what_records_a_before_state_has_a_runbook_that_restores_it() {
    let alone = "it records a before-state, and runbooks/ holds no Mend-RestoreAdminPorts.yaml that restores it";
    assert_eq!(told(&GOOD[..1]), [format!("Mend-CloseAdminPorts.yaml:144: {alone}")]);
    let alone = "runbooks/ holds no other runbook about AdminPorts";
    assert_eq!(told(&GOOD[1..2]), [format!("Mend-RestoreAdminPorts.yaml: {alone}")]);
    each_is_told(
        CLOSE,
        &[(
            " Mend-RestoreAdminPorts undoes it.",
            " Nothing undoes it.",
            &["2: the description must name Mend-RestoreAdminPorts, which undoes it"],
        )],
    );
    each_is_told(
        RESTORE,
        &[
            (
                "of Mend-CloseAdminPorts, rule",
                "of that other runbook, rule",
                &["2: the description must name Mend-CloseAdminPorts, which it undoes"],
            ),
            (
                "ExecutionId:\n",
                "Execution:\n",
                &[
                    "3: a runbook of this kind takes the parameter ExecutionId: ^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$",
                    "11: a restore is started with ExecutionId alone: all else has a default",
                    "38: {{ ExecutionId }}: there is no such parameter or value",
                ],
            ),
        ],
    );
}

#[test]
fn a_restore_is_one_command() {
    let alone = "a restore is started with ExecutionId alone: all else has a default";
    each_is_told(
        RESTORE,
        &[
            ("    default:\n      Ref: LedgerTable\n", "", &[&format!("15: {alone}")]),
            (
                "    description: What to undo.\n",
                "    description: What.\n    default: x\n",
                &[&format!("11: {alone}")],
            ),
            (
                "^([1-9]|[1-8][0-9]|90)$",
                "^[0-9]+$",
                &["24: the allowedPattern of ExemptDays must be ^([1-9]|[1-8][0-9]|90)$"],
            ),
            (
                "  - Conclude.Exemption\n",
                "",
                &[
                    "153: outputs must begin with Conclude.Outcome, Conclude.Changes, Conclude.BeforeState, Conclude.Incident, Conclude.Attempt, Conclude.Exemption",
                ],
            ),
        ],
    );
}

#[test]
fn what_is_undone_is_exempted_first() {
    let must = "55: ExemptResource must be a script that calls put_parameter of ssm, and changes nothing else";
    let skipped =
        |line: u32, step: &str| format!("{line}: a way leads to {step} on which ExemptResource has not succeeded");
    each_is_told(
        RESTORE,
        &[
            (
                "- name: ExemptResource",
                "- name: Exempt",
                &["43: Read goes on to ExemptResource, and there is no such step"],
            ),
            ("ssm.put_parameter()", "ssm.get_parameter()", &[must]),
            ("ssm.put_parameter()", "ssm.delete_parameter()", &[must]),
            ("ssm.put_parameter()", "ssm.put_parameter(), ssm.delete_parameter()", &[must]),
            (
                "nextStep: ExemptResource",
                "nextStep: Look",
                &["55: no way leads to ExemptResource", "70: no way leads to Choose"],
            ),
            (
                "  - name: ExemptResource\n",
                "  - name: ExemptResource\n    isCritical: false\n    onFailure: step:Choose\n",
                &[&skipped(99, "Change"), &skipped(125, "Conclude")],
            ),
        ],
    );
}

#[test]
fn what_was_there_is_put_out_before_the_first_change() {
    let verify = "        def verify(events, context):\n            pass\n";
    let output = "    outputs:\n      - Name: BeforeState\n        Selector: $.Payload\n        Type: String\n";
    let late = with(CLOSE, verify, &format!("{verify}{output}"));
    let late = with(&late, "  - Plan.BeforeState", "  - Verify.BeforeState");
    let expected = "Mend-CloseAdminPorts.yaml:87: Change changes something before a before-state has been put out";
    assert_eq!(told(&[(GOOD[0].0, &late), GOOD[1]]), [expected]);
}

#[test]
fn everything_that_is_wrong_in_every_file_is_told_at_once() {
    let close = with(CLOSE, "Runtime: python3.11", "Runtime: python2.7");
    let close = with(&close, "schemaVersion: \"0.3\"", "schemaVersion: \"0.2\"");
    let told = told(&[(GOOD[0].0, &close), (GOOD[1].0, "mainSteps: [")]);
    assert_eq!(told.len(), 3, "{told:?}");
    assert!(told[0].starts_with("Mend-RestoreAdminPorts.yaml:1: "), "{told:?}");
    assert_eq!(
        told[1..],
        [
            "Mend-CloseAdminPorts.yaml:1: schemaVersion must be \"0.3\"",
            "Mend-CloseAdminPorts.yaml:46: Runtime must be one of python3.11, python3.12",
        ]
    );
}

#[test]
fn only_one_runbook_asks() {
    let asking = "    action: aws:approve\n    timeoutSeconds: 60\n    inputs:\n      Approvers: [lee]\n";
    each_is_told(
        CLOSE,
        &[(
            "    action: aws:sleep\n    timeoutSeconds: 60\n    inputs:\n      Duration: \"{{ Wait }}\"\n",
            asking,
            &["82: only Mend-ApproveAndRun asks people"],
        )],
    );
}

#[test]
fn it_asks_and_looks_again_before_it_runs_anything() {
    let unsuccessful = |line: u32, later: &str, earlier: &str| {
        format!("{line}: a way leads to {later} on which {earlier} has not succeeded")
    };
    each_is_told(
        ASK,
        &[
            (
                "- name: RequestApproval",
                "- name: Ask",
                &[
                    "66: it needs a step RequestApproval",
                    "67: only RequestApproval may be aws:approve",
                    &unsuccessful(77, "AskAgain", "RequestApproval"),
                ],
            ),
            (
                "action: aws:approve\n    timeoutSeconds: 86400",
                "action: aws:sleep\n    timeoutSeconds: 60",
                &["67: RequestApproval must be aws:approve"],
            ),
            (
                "    timeoutSeconds: 86400\n",
                "    timeoutSeconds: 86400\n    isCritical: true\n    onFailure: step:AskAgain\n",
                &[
                    "70: when RequestApproval fails, it must end there",
                    &unsuccessful(79, "AskAgain", "RequestApproval"),
                ],
            ),
            (
                "  - name: AskAgain\n",
                "  - name: AskAgain\n    isCritical: false\n    onFailure: step:Conclude\n",
                &[
                    "115: {{ Run.Status }}: Run has not succeeded on every way to here",
                    "79: when AskAgain fails, it must end there",
                    &unsuccessful(107, "Conclude", "Run"),
                ],
            ),
            ("            ssm.get_calendar_state()\n", "", &["77: AskAgain must call get_calendar_state"]),
            ("            ssm.get_parameters()\n", "", &["77: AskAgain must call get_parameters"]),
            (
                "            ssm.get_parameters()\n",
                "            ssm.get_parameters()\n            ssm.delete_parameter()\n",
                &["77: AskAgain changes something, and here only what is run may"],
            ),
            (
                "  - name: AskAgain\n",
                "  - name: Early\n    action: aws:executeAutomation\n    timeoutSeconds: 60\n    inputs:\n      DocumentName: AWS-StopEC2Instance\n\n  - name: AskAgain\n",
                &["78: only Run may be aws:executeAutomation"],
            ),
        ],
    );
}

#[test]
fn what_runs_is_what_was_approved() {
    each_is_told(
        ASK,
        &[
            (
                "DocumentName: \"{{ RunbookName }}\"",
                "DocumentName: Mend-CloseAdminPorts",
                &["101: DocumentName of Run must be \"{{ RunbookName }}\""],
            ),
            (
                "      DocumentVersion: \"{{ RunbookVersion }}\"\n",
                "",
                &["101: DocumentVersion of Run must be \"{{ RunbookVersion }}\""],
            ),
            (
                "\"{{ AskAgain.Parameters }}\"",
                "{}",
                &["101: RuntimeParameters of Run must be \"{{ AskAgain.Parameters }}\""],
            ),
            (
                "Approvers: \"{{ Approvers }}\"",
                "Approvers: [lee]",
                &["70: Approvers of RequestApproval must be \"{{ Approvers }}\""],
            ),
            ("{{ PlanHash }}, ", "", &["70: Message does not tell the approvers PlanHash"]),
            ("      MinRequiredApprovals: 1\n", "", &["70: it must say MinRequiredApprovals, a number"]),
            ("  - Run.ExecutionId\n", "", &["128: besides the conclusion, Run.ExecutionId is put out"]),
            ("86400", "86401", &["68: RequestApproval needs timeoutSeconds, from 1 to 86400"]),
            ("3600", "3601", &["99: Run needs timeoutSeconds, from 1 to 3600"]),
        ],
    );
}

/// The project's own runbooks, as they would be with one step less.
#[test]
fn no_step_of_the_projects_runbooks_can_be_left_out() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../runbooks");
    let files = super::files(&folder).unwrap();
    let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    let texts = files.iter().map(|path| (name(path), std::fs::read_to_string(path).unwrap())).collect::<Vec<_>>();
    for (changed, text) in &texts {
        let (head, steps) = text.split_once("mainSteps:\n").unwrap();
        let steps = steps.split("\n\n  - ").collect::<Vec<_>>();
        // The last one has what follows the steps.
        for left_out in 0..steps.len() - 1 {
            let rest = steps.iter().enumerate().filter(|(number, _)| *number != left_out).map(|(_, step)| *step);
            let rest = rest.collect::<Vec<_>>().join("\n\n  - ");
            let dash = if left_out == 0 { "  - " } else { "" };
            let shorter = format!("{head}mainSteps:\n{dash}{rest}");
            let twins = texts.iter().filter(|(name, _)| restore_of(name) == restore_of(changed));
            let files = twins.map(|(name, text)| (name.as_str(), if name == changed { &shorter } else { text }));
            let files = files.map(|(name, text)| (name, text.as_str())).collect::<Vec<_>>();
            let told = told(&files);
            let step = steps[left_out].lines().next().unwrap();
            assert!(told.iter().any(|error| error.starts_with(changed.as_str())), "{changed} without {step}");
            assert!(!told.iter().any(|error| error.contains("block indentation")), "{told:?}");
        }
    }
}
