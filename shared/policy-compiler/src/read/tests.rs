use mend_core::mode::Mode;
use mend_core::policy::{Category, Severity};
use tempfile::TempDir;

use super::*;
use crate::runbook::tests::{CLOSE, RESTORE};

const CONFIG: &str = r#"# Routes for AWS Config.

- name: close-admin-ports
  problem: open-admin-ports
  title: SSH is open to the world
  takes:
    config-rules:
      - "*restricted-ssh*"
      - incoming-ssh-disabled
    resource-types: ["AWS::EC2::SecurityGroup"]
  severity: high
  category: Security
  runbook: Mend-CloseAdminPorts
  undo: Mend-RestoreAdminPorts
  role: network
  parameters:
    SecurityGroupId: "${resource.id}"
  attempts: 2
  modes: { dev: enforce, staging: approve, prod: observe }
  budget: { starts-per-hour: 20, running: 5 }
  expected-minutes: 15
"#;

/// A repository with one good route and its runbooks.
struct Repository(TempDir);

impl Repository {
    fn new() -> Self {
        let repository = Self(tempfile::tempdir().unwrap());
        for folder in ["policy", "runbooks"] {
            std::fs::create_dir(repository.0.path().join(folder)).unwrap();
        }
        repository
            .with("policy/config.yaml", CONFIG)
            .with("runbooks/Mend-CloseAdminPorts.yaml", CLOSE)
            .with("runbooks/Mend-RestoreAdminPorts.yaml", RESTORE)
    }

    fn with(self, file: &str, text: &str) -> Self {
        std::fs::write(self.0.path().join(file), text).unwrap();
        self
    }

    fn without(self, file: &str) -> Self {
        std::fs::remove_file(self.0.path().join(file)).unwrap();
        self
    }

    fn read(&self) -> Result<Vec<Route>, Vec<String>> {
        let (policy, runbooks) = (self.0.path().join("policy"), self.0.path().join("runbooks"));
        read(&policy, &runbooks).map_err(|errors| errors.iter().map(ToString::to_string).collect())
    }
}

/// The good route with one passage changed.
fn config_with(passage: &str, instead: &str) -> String {
    assert_eq!(CONFIG.matches(passage).count(), 1, "{passage}");
    CONFIG.replace(passage, instead)
}

/// The good route once more, with another name.
fn again(name: &str) -> String {
    config_with("close-admin-ports", name)
}

#[test]
fn reads_a_route() {
    let expected = Route {
        name: RouteName::from_static("close-admin-ports"),
        problem: Problem::from_static("open-admin-ports"),
        title: Title::from_static("SSH is open to the world"),
        takes: Takes {
            config_rules: vec![Glob::from_static("*restricted-ssh*"), Glob::from_static("incoming-ssh-disabled")],
            resource_types: vec![ResourceType::from_static("AWS::EC2::SecurityGroup")],
        },
        rank: 0,
        severity: Severity::High,
        category: Category::Security,
        runbook: RunbookName::from_static("Mend-CloseAdminPorts"),
        undo: Some(RunbookName::from_static("Mend-RestoreAdminPorts")),
        role: RoleFamily::from_static("network"),
        parameters: vec![(ParameterName::from_static("SecurityGroupId"), ParameterSource::ResourceId)],
        attempts: 2,
        ceiling: Ceiling { dev: Mode::Enforce, staging: Mode::Approve, prod: Mode::Observe },
        budget: Budget { starts_per_hour: 20, running: 5 },
        expected_duration: Duration::from_mins(15),
        is_emergency: false,
        is_exempt_by_tag: false,
        alarm: None,
    };
    assert_eq!(Repository::new().read(), Ok(vec![expected]));
}

#[test]
fn a_route_may_answer_emergencies_heed_tags_and_have_an_alarm() {
    let written = format!("{CONFIG}  emergency: true\n  exempt-by-tag: true\n  alarm: Orders/5xx (prod)\n");
    let config = written.replace("severity: high", "severity: critical");
    let routes = Repository::new().with("policy/config.yaml", &config).read().unwrap();
    assert!(routes[0].is_emergency && routes[0].is_exempt_by_tag);
    assert_eq!(routes[0].alarm, Some(AlarmName::from_static("Orders/5xx (prod)")));
}

#[test]
fn an_emergency_is_critical() {
    let config = format!("{CONFIG}  emergency: true\n");
    let errors = Repository::new().with("policy/config.yaml", &config).read().unwrap_err();
    assert!(errors[0].contains("severity must be critical"), "{errors:?}");
}

#[test]
fn a_parameter_gets_the_resource_or_the_same_text_each_time() {
    for (written, expected) in [
        ("${resource.id}", ParameterSource::ResourceId),
        ("${resource.account}", ParameterSource::Account),
        ("${resource.region}", ParameterSource::Region),
        ("sg-01234567", ParameterSource::Constant("sg-01234567".to_owned())),
    ] {
        let config = config_with("${resource.id}", written);
        let routes = Repository::new().with("policy/config.yaml", &config).read().unwrap();
        assert_eq!(routes[0].parameters[0].1, expected);
    }
}

#[test]
fn reads_the_repositorys_own_policy() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let routes = read(&repository.join("policy"), &repository.join("runbooks")).unwrap();
    assert!(routes.iter().any(|route| route.name.as_str() == "close-admin-ports"), "{routes:?}");
}

/// Each case changes one passage of the good route, and gets one error, beginning with its line.
fn each_is_told(cases: &[(&str, &str, &str)]) {
    for (passage, instead, expected) in cases {
        let config = config_with(passage, instead);
        let errors = Repository::new().with("policy/config.yaml", &config).read().unwrap_err();
        assert_eq!(errors, [format!("policy/config.yaml:{expected}")], "{instead}");
    }
}

#[test]
fn what_is_wrong_with_the_form_is_told_with_its_line() {
    each_is_told(&[
        (
            "  severity: high",
            "  colour: red\n  severity: high",
            "11: unknown field `colour`, expected one of name, problem, title, takes, rank, severity, category, \
             runbook, undo, role, parameters, attempts, modes, budget, expected-minutes, emergency, exempt-by-tag, \
             alarm",
        ),
        (
            "    config-rules:",
            "    security-hub: [x]\n    config-rules:",
            "7: unknown field `security-hub`, expected one of config-rules, resource-types",
        ),
        ("dev: enforce", "test: enforce", "19: unknown field `test`, expected one of dev, staging, prod"),
        ("  severity: high\n", "", "20: missing field `severity`"),
        ("dev: enforce, ", "", "19: missing field `dev`"),
        ("running: 5", "at-once: 5", "20: unknown field `at-once`, expected one of starts-per-hour, running"),
        ("starts-per-hour: 20, ", "", "20: missing field `starts-per-hour`"),
        ("  budget: { starts-per-hour: 20, running: 5 }\n", "", "20: missing field `budget`"),
        ("  expected-minutes: 15\n", "", "20: missing field `expected-minutes`"),
        ("minutes: 15", "minutes: 15\n  emergency: perhaps", "22: invalid boolean"),
        ("minutes: 15", "minutes: 15\n  exempt-by-tag: 1", "22: invalid boolean"),
        (
            "  severity: high",
            "  severity: high\n  severity: low",
            "12: duplicate mapping key `severity` is not allowed here",
        ),
        (
            "    SecurityGroupId:",
            "    SecurityGroupId: sg-1\n    SecurityGroupId:",
            "18: duplicate mapping key `SecurityGroupId` is not allowed here",
        ),
        ("  severity: high", "\tseverity: high", "11: tabs disallowed within this context (block indentation)"),
        ("severity: high", "severity: [high]", "11: expected string scalar"),
        ("severity: high", "severity: ~", "11: null is not allowed here"),
        ("[\"AWS::EC2::SecurityGroup\"]", "AWS::EC2::SecurityGroup", "10: expected sequence start"),
    ]);
}

#[test]
fn what_is_wrong_with_a_value_is_told_with_its_line() {
    each_is_told(&[
        (
            "name: close-admin-ports",
            "name: Close admin ports",
            "3: name: a route's name must be at most 64 lower-case letters and digits, joined by hyphens, and not all",
        ),
        (
            "problem: open-admin-ports",
            "problem: open_admin_ports",
            "4: problem: a problem must be at most 64 lower-case letters and digits, joined by hyphens",
        ),
        (
            "title: SSH is open to the world",
            "title: \"SSH is ö\"",
            "5: title: a title must be 1 to 60 printable ASCII characters",
        ),
        (
            "- incoming-ssh-disabled",
            "- incoming?ssh",
            "9: config-rules: a glob must be 1 to 128 letters, digits, * and . _ : / @ + = , - # ( ) and spaces",
        ),
        (
            "[\"AWS::EC2::SecurityGroup\"]",
            "[\"EC2::SecurityGroup\"]",
            "10: resource-types: a resource type must be like AWS::EC2::SecurityGroup",
        ),
        ("[\"AWS::EC2::SecurityGroup\"]", "[]", "10: resource-types: must not be empty"),
        (
            "\n      - \"*restricted-ssh*\"\n      - incoming-ssh-disabled",
            " []",
            "7: config-rules: must not be empty",
        ),
        ("severity: high", "severity: High", "11: severity: must be one of low, medium, high, critical"),
        (
            "category: Security",
            "category: security",
            "12: category: must be one of Availability, Cost, Performance, Recovery, Security",
        ),
        ("role: network", "role: Network", "15: role: a role family must be lower-case words joined by hyphens"),
        ("attempts: 2", "attempts: 0", "18: attempts: must be a number from 1 to 5"),
        ("attempts: 2", "attempts: 6", "18: attempts: must be a number from 1 to 5"),
        ("attempts: 2", "attempts: two", "18: attempts: must be a number from 1 to 5"),
        ("dev: enforce", "dev: full", "19: modes.dev: must be one of off, observe, approve, enforce"),
        ("staging: approve", "staging: on", "19: modes.staging: must be one of off, observe, approve, enforce"),
        ("prod: observe", "prod: 1", "19: modes.prod: must be one of off, observe, approve, enforce"),
        ("hour: 20", "hour: 0", "20: budget.starts-per-hour: must be a number from 1 to 1000"),
        ("hour: 20", "hour: 1001", "20: budget.starts-per-hour: must be a number from 1 to 1000"),
        ("running: 5", "running: 0", "20: budget.running: must be a number from 1 to 100"),
        ("running: 5", "running: 101", "20: budget.running: must be a number from 1 to 100"),
        ("running: 5", "running: many", "20: budget.running: must be a number from 1 to 100"),
        ("minutes: 15", "minutes: 0", "21: expected-minutes: must be a number from 1 to 720"),
        ("minutes: 15", "minutes: 721", "21: expected-minutes: must be a number from 1 to 720"),
        ("minutes: 15", "minutes: 1.5", "21: expected-minutes: must be a number from 1 to 720"),
        (
            "minutes: 15",
            "minutes: 15\n  alarm: \"ö\"",
            "22: alarm: an alarm's name must be 1 to 255 printable ASCII characters",
        ),
    ]);
}

#[test]
fn what_is_wrong_with_a_runbook_or_its_parameters_is_told_with_its_line() {
    each_is_told(&[
        (
            "runbook: Mend-CloseAdminPorts",
            "runbook: AWS-DisablePublicAccessForSecurityGroup",
            "13: runbook: a runbook's name must be Mend- and a verb and noun, at most 128 letters and digits",
        ),
        (
            "runbook: Mend-CloseAdminPorts",
            "runbook: Mend-Close",
            "13: runbook: runbooks/ holds no Mend-Close.yaml",
        ),
        ("undo: Mend-RestoreAdminPorts", "undo: Mend-Restore", "14: undo: runbooks/ holds no Mend-Restore.yaml"),
        (
            "undo: Mend-RestoreAdminPorts",
            "undo: ../runbooks/Mend-RestoreAdminPorts",
            "14: undo: a runbook's name must be Mend- and a verb and noun, at most 128 letters and digits",
        ),
        (
            "  parameters:",
            "  parameters:\n    Colour: red",
            "17: Mend-CloseAdminPorts declares no parameter Colour",
        ),
        (
            "  parameters:\n    SecurityGroupId: \"${resource.id}\"\n",
            "",
            "13: Mend-CloseAdminPorts needs the parameter SecurityGroupId, which the route does not send",
        ),
    ]);
}

#[test]
fn no_parameter_can_become_a_template_of_another_kind() {
    for value in ["{{ global:ACCOUNT_ID }}", "a {{x}}", "${resource.tags}", "a ${resource.id}", ""] {
        let config = config_with("${resource.id}", value);
        let errors = Repository::new().with("policy/config.yaml", &config).read().unwrap_err();
        let expected = "policy/config.yaml:17: parameters: a value must be ${resource.id}, ${resource.account}, \
                        ${resource.region}, or text without ${ and {{";
        assert_eq!(errors, [expected], "{value}");
    }
    let config = config_with("${resource.id}", &"x".repeat(513));
    let errors = Repository::new().with("policy/config.yaml", &config).read().unwrap_err();
    assert_eq!(errors, ["policy/config.yaml:17: parameters: a value must have at most 512 characters"]);
}

#[test]
fn a_constant_must_match_the_parameters_pattern() {
    let config =
        config_with("SecurityGroupId: \"${resource.id}\"", "SecurityGroupId: \"${resource.id}\"\n    Wait: PT9S");
    assert!(Repository::new().with("policy/config.yaml", &config).read().is_ok());
    let errors = Repository::new().with("policy/config.yaml", &config.replace("PT9S", "long")).read().unwrap_err();
    assert_eq!(errors, ["policy/config.yaml:18: parameters: Wait takes ^PT[0-9]S$"]);
}

#[test]
fn what_is_wrong_with_a_runbook_is_told_once_and_in_its_own_file() {
    let file = "runbooks/Mend-CloseAdminPorts.yaml";
    for (text, expected) in [
        (CLOSE.replace("schemaVersion: \"0.3\"\n", ""), "142: missing field `schemaVersion`"),
        (
            CLOSE.replace("timeoutSeconds: 60\n    isCritical", "isCritical"),
            "87: Change needs timeoutSeconds, from 1 to 600",
        ),
    ] {
        let errors = Repository::new().with(file, &text).read().unwrap_err();
        assert_eq!(errors, [format!("{file}:{expected}")]);
    }
}

#[test]
fn a_route_names_what_undoes_its_runbook() {
    let restoring = CONFIG
        .replace("Mend-CloseAdminPorts", "Mend-RestoreAdminPorts")
        .replace("  undo: Mend-RestoreAdminPorts\n", "")
        .replace(
            "SecurityGroupId: \"${resource.id}\"",
            "ExecutionId: 01234567-89ab-cdef-0123-456789abcdef\n    LedgerTableName: mend",
        );
    let no_record = CLOSE.replace("  - Plan.BeforeState\n", "");
    for (config, close, expected) in [
        (
            CONFIG.replace("  undo: Mend-RestoreAdminPorts\n", ""),
            CLOSE,
            "13: Mend-CloseAdminPorts can be undone: write undo: Mend-RestoreAdminPorts",
        ),
        (
            config_with("undo: Mend-RestoreAdminPorts", "undo: Mend-CloseAdminPorts"),
            CLOSE,
            "14: undo: Mend-RestoreAdminPorts is what undoes Mend-CloseAdminPorts",
        ),
        (
            CONFIG.to_owned(),
            &no_record,
            "14: undo: Mend-CloseAdminPorts puts out no BeforeState by which it could be undone",
        ),
        (restoring, CLOSE, "13: runbook: Mend-RestoreAdminPorts restores, and a route repairs"),
    ] {
        let repository = Repository::new().with("policy/config.yaml", &config);
        let errors = repository.with("runbooks/Mend-CloseAdminPorts.yaml", close).read().unwrap_err();
        assert_eq!(errors, [format!("policy/config.yaml:{expected}")]);
    }
}

#[test]
fn two_routes_must_not_have_one_name() {
    let other = config_with("AWS::EC2::SecurityGroup", "AWS::EC2::Instance");
    let errors = Repository::new().with("policy/other.yaml", &other).read().unwrap_err();
    let expected = "policy/other.yaml:3: another route is called close-admin-ports too: policy/config.yaml:3";
    assert_eq!(errors, [expected]);
}

#[test]
fn two_routes_of_one_rank_must_not_take_the_same_signals() {
    for takes in ["\"*restricted-ssh*\"", "\"restricted-*\"", "\"*\"", "restricted-ssh"] {
        let other =
            again("other").replace("\"*restricted-ssh*\"", takes).replace("      - incoming-ssh-disabled\n", "");
        let errors = Repository::new().with("policy/other.yaml", &other).read().unwrap_err();
        let expected = "policy/other.yaml:3: other and close-admin-ports take the same signals with the same rank: \
                        policy/config.yaml:3";
        assert_eq!(errors, [expected], "{takes}");
    }
}

#[test]
fn routes_of_different_rank_rules_or_resources_live_side_by_side() {
    for other in [
        again("other").replace("  severity:", "  rank: 1\n  severity:"),
        again("other").replace("AWS::EC2::SecurityGroup", "AWS::EC2::Instance"),
        again("other").replace("*restricted-ssh*", "restricted-rdp").replace("incoming-ssh", "incoming-rdp"),
    ] {
        let routes = Repository::new().with("policy/other.yaml", &other).read().unwrap();
        assert_eq!(
            routes.iter().map(|route| route.name.as_str()).collect::<Vec<_>>(),
            ["close-admin-ports", "other"]
        );
    }
}

#[test]
fn everything_that_is_wrong_is_told_at_once() {
    let broken = config_with("severity: high", "severity: x").replace("attempts: 2", "attempts: 9");
    let two = format!("{broken}{}", again("third").replace("category: Security", "category: x"));
    let errors = Repository::new()
        .with("policy/config.yaml", &two)
        .with("policy/form.yaml", "routes: []\n")
        .with("policy/second.yaml", &again("second").replace("role: network", "role: x y"))
        .read()
        .unwrap_err();
    let expected = [
        "policy/config.yaml:11: severity: must be one of low, medium, high, critical",
        "policy/config.yaml:18: attempts: must be a number from 1 to 5",
        "policy/config.yaml:33: category: must be one of Availability, Cost, Performance, Recovery, Security",
        "policy/form.yaml:1: expected sequence start",
        "policy/second.yaml:15: role: a role family must be lower-case words joined by hyphens",
    ];
    assert_eq!(errors, expected);
}

#[test]
fn a_policy_without_routes_is_refused() {
    let expected = "policy: the folder holds no route, and an empty policy would answer nothing";
    let empty = Repository::new().without("policy/config.yaml");
    assert_eq!(empty.read().unwrap_err(), [expected]);
    let empty = empty.with("policy/config.yaml", "# Nothing yet.\n").with("policy/readme.md", "- name: x");
    assert_eq!(empty.read().unwrap_err(), [expected]);
}

#[test]
fn no_file_is_passed_over_in_silence() {
    let errors = Repository::new().with("policy/other.yml", &again("other")).read().unwrap_err();
    assert_eq!(errors, ["policy/other.yml: the file's name must end in .yaml"]);

    let repository = Repository::new();
    std::fs::write(repository.0.path().join("policy/binary.yaml"), [0xff, 0xfe, 0xfd]).unwrap();
    let errors = repository.read().unwrap_err();
    assert_eq!(errors, ["policy/binary.yaml: the file cannot be read: stream did not contain valid UTF-8"]);
}

#[test]
fn a_folder_that_is_not_there_is_told() {
    let repository = tempfile::tempdir().unwrap();
    let errors = read(&repository.path().join("policy"), &repository.path().join("runbooks")).unwrap_err();
    let errors: Vec<_> = errors.iter().map(ToString::to_string).collect();
    let problem = "the folder cannot be read: No such file or directory (os error 2)";
    assert_eq!(errors, [format!("runbooks: {problem}"), format!("policy: {problem}")]);
}
