//! The thing that a problem is about.

use serde::Serialize;

use crate::account::{AccountId, Region};
use crate::text::{consists_of, contains, text_type};

text_type! {
    /// A resource type as AWS Config names it: `AWS::EC2::SecurityGroup`; account-level rules use `AWS::::Account`.
    ResourceType, "a resource type", "like AWS::EC2::SecurityGroup", is_resource_type
}

const fn is_resource_type(text: &[u8]) -> bool {
    matches!(text, [b'A', b'W', b'S', b':', b':', ..]) && consists_of(text, b":_", 8, 196)
}

text_type! {
    /// A resource's own id: `sg-0abc…`, a bucket's name, an ARN.
    ///
    /// It goes into Automation parameters, which hold 512 characters, and into text that people and
    /// template engines read: braces, quotes, control characters, line breaks and links are refused.
    ResourceId, "a resource id", "1 to 512 letters, digits, spaces inside, and . _ : / @ + = , - # ( ) [ ] *", is_resource_id
}

const fn is_resource_id(text: &[u8]) -> bool {
    consists_of(text, b"._:/@+=,-#()[]* ", 1, 512)
        && !matches!(text, [b' ', ..] | [.., b' '])
        && !contains(text, b"](")
        && !contains(text, b"://")
}

/// One resource in one account and Region.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Resource {
    /// The account that owns it.
    pub account: AccountId,
    /// The Region that it is in.
    pub region: Region,
    /// Its type.
    #[serde(rename = "type")]
    pub kind: ResourceType,
    /// Its id.
    pub id: ResourceId,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_the_ids_that_aws_gives() {
        for id in [
            "sg-0badcafe0badcafe1",
            "my.bucket-name",
            "arn:aws:iam::111122223333:role/path/Name@example+a=b,c",
            "111122223333",
            "Alarm (p99) [prod] #1",
        ] {
            assert!(ResourceId::new(id).is_ok(), "{id}");
        }
    }

    #[test]
    fn refuses_hostile_ids() {
        let long = "x".repeat(10_240);
        for id in [
            "",
            " ",
            " sg-1",
            "{{ global:ACCOUNT_ID }}",
            "{{global:ACCOUNT_ID}}",
            "sg-1\"",
            "sg-1'",
            "sg-1`id`",
            "sg-1\nsg-2",
            "sg-1\0",
            "<a>",
            "$(reboot)",
            "[Approve](//evil.example)",
            "https://evil.example",
            "sg-ü",
            &long,
        ] {
            assert!(ResourceId::new(id).is_err(), "{id:?}");
        }
    }

    #[test]
    fn knows_resource_types() {
        for (text, valid) in [
            ("AWS::EC2::SecurityGroup", true),
            ("AWS::::Account", true),
            ("EC2::SecurityGroup", false),
            ("AWS::", false),
            ("AWS::EC2::{{x}}", false),
        ] {
            assert_eq!(ResourceType::new(text).is_ok(), valid, "{text}");
        }
    }
}
