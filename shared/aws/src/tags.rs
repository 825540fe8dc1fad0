//! What the tags of a resource say.

use mend_core::exemption::ExemptionTags;
use mend_responder::CallError;
use mend_responder::world::Tags;

use crate::Aws;
use crate::failure::failure;

impl<C> Tags for Aws<C> {
    async fn exemption_tags(&self, arn: &str) -> Result<ExemptionTags, CallError> {
        let answer = self
            .clients
            .tagging
            .get_resources()
            .resource_arn_list(arn)
            .send()
            .await
            .map_err(|error| failure(format!("read the tags of {arn}"), REMEDY, error))?;
        // A resource that has no tags is not listed.
        let mut tags = ExemptionTags::default();
        let listed = answer.resource_tag_mapping_list.unwrap_or_default();
        for tag in listed
            .into_iter()
            .filter(|listed| listed.resource_arn() == Some(arn))
            .flat_map(|it| it.tags.unwrap_or_default())
        {
            match tag.key.as_str() {
                "mend:exempt" => tags.exempt = Some(tag.value),
                "mend:exempt-until" => tags.until = Some(tag.value),
                "mend:exempt-reason" => tags.reason = Some(tag.value),
                _ => {}
            }
        }
        Ok(tags)
    }
}

const REMEDY: &str = "check that the function's role may call tag:GetResources";
