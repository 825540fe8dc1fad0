//! Where in AWS something is.

use crate::text::{consists_of, text_type};

text_type! {
    /// An AWS account: 12 digits, kept as text because they may begin with zeros.
    AccountId, "an account id", "12 digits", is_account_id
}

const fn is_account_id(text: &[u8]) -> bool {
    let mut rest = text;
    while let [byte, tail @ ..] = rest {
        if !byte.is_ascii_digit() {
            return false;
        }
        rest = tail;
    }
    text.len() == 12
}

text_type! {
    /// An AWS Region, for example `eu-central-1`.
    Region, "a Region", "5 to 25 letters, digits and hyphens", is_region
}

const fn is_region(text: &[u8]) -> bool {
    consists_of(text, b"-", 5, 25)
}

text_type! {
    /// An AWS partition: `aws`, `aws-cn` or `aws-us-gov`.
    Partition, "a partition", "3 to 16 letters, digits and hyphens", is_partition
}

const fn is_partition(text: &[u8]) -> bool {
    consists_of(text, b"-", 3, 16)
}

text_type! {
    /// The ARN of whoever made a call.
    PrincipalArn, "a principal's ARN", "like arn:aws:iam::111122223333:user/lee", is_principal_arn
}

const fn is_principal_arn(text: &[u8]) -> bool {
    matches!(text, [b'a', b'r', b'n', b':', b'a', b'w', b's', ..]) && consists_of(text, b":/-_+=,.@", 20, 512)
}

impl PrincipalArn {
    /// The session's name, if a role is assumed. Lambda names the session like the function.
    #[must_use]
    pub fn session(&self) -> Option<&str> {
        let (_, role_and_session) = self.as_str().split_once(":assumed-role/")?;
        role_and_session.rsplit_once('/').map(|(_, session)| session)
    }
}

impl Partition {
    /// The host of the AWS console in this partition.
    #[must_use]
    pub fn console_host(&self) -> &'static str {
        match self.as_str() {
            "aws-cn" => "console.amazonaws.cn",
            "aws-us-gov" => "console.amazonaws-us-gov.com",
            _ => "console.aws.amazon.com",
        }
    }
}
