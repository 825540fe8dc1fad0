//! What Systems Manager Automation calls things.

use crate::text::{consists_of, is_hex, is_printable, text_type};

text_type! {
    /// The name of a Mend runbook: `Mend-CloseAdminPorts`. Routes can name no other document.
    RunbookName, "a runbook's name", "Mend- and a verb and noun, at most 128 letters and digits", is_runbook_name
}

const fn is_runbook_name(text: &[u8]) -> bool {
    match text {
        [b'M', b'e', b'n', b'd', b'-', rest @ ..] => consists_of(rest, b"", 1, 123),
        _ => false,
    }
}

text_type! {
    /// The number of a document's version: never `$DEFAULT` or `$LATEST`, which may change between plan and start.
    DocumentVersion, "a document version", "a number from 1", is_document_version
}

const fn is_document_version(text: &[u8]) -> bool {
    let mut rest = text;
    while let [byte, tail @ ..] = rest {
        if !byte.is_ascii_digit() {
            return false;
        }
        rest = tail;
    }
    !text.is_empty() && text.len() <= 10 && !matches!(text, [b'0', ..])
}

text_type! {
    /// The name of a runbook's parameter.
    ParameterName, "a parameter's name", "1 to 50 letters and digits", is_parameter_name
}

const fn is_parameter_name(text: &[u8]) -> bool {
    consists_of(text, b"", 1, 50)
}

text_type! {
    /// The id of an Automation execution.
    ExecutionId, "an execution id", "a UUID of 36 characters", is_execution_id
}

const fn is_execution_id(text: &[u8]) -> bool {
    consists_of(text, b"-", 36, 36)
}

text_type! {
    /// The id of an OpsItem: `oi-` and 12 hexadecimal digits.
    OpsItemId, "an OpsItem id", "oi- and 12 hexadecimal digits", is_ops_item_id
}

const fn is_ops_item_id(text: &[u8]) -> bool {
    match text {
        [b'o', b'i', b'-', rest @ ..] => is_hex(rest, 12),
        _ => false,
    }
}

text_type! {
    /// A family of runbooks that share one automation role, for example `network`.
    RoleFamily, "a role family", "lower-case words joined by hyphens", is_role_family
}

const fn is_role_family(text: &[u8]) -> bool {
    crate::text::is_kebab_case(text, 32)
}

text_type! {
    /// The ARN of an IAM role.
    RoleArn, "a role's ARN", "like arn:aws:iam::111122223333:role/name", is_role_arn
}

const fn is_role_arn(text: &[u8]) -> bool {
    matches!(text, [b'a', b'r', b'n', b':', b'a', b'w', b's', ..]) && consists_of(text, b":/-_+=,.@", 20, 512)
}

text_type! {
    /// The name of a `CloudWatch` alarm.
    AlarmName, "an alarm's name", "1 to 255 printable ASCII characters", is_alarm_name
}

const fn is_alarm_name(text: &[u8]) -> bool {
    is_printable(text, 255)
}

text_type! {
    /// The name or ARN of a Change Calendar.
    CalendarName, "a calendar's name", "letters, digits and . _ - : /, as names and ARNs have them", is_calendar_name
}

const fn is_calendar_name(text: &[u8]) -> bool {
    consists_of(text, b"._-:/", 3, 256)
}

text_type! {
    /// Who may approve: an IAM user's name, or the ARN of a user, a role or a role's session.
    Approver, "an approver", "a user's name, or the ARN of a user or role", is_approver
}

const fn is_approver(text: &[u8]) -> bool {
    consists_of(text, b":/-_+=,.@", 1, 512)
}

/// The runbook that asks a person, and runs what was approved as a child.
pub const APPROVE_AND_RUN: RunbookName = RunbookName::from_static("Mend-ApproveAndRun");
