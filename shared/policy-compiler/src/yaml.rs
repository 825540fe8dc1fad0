//! YAML, and what is wrong with it in the words of a person who wrote it.

use serde::de::DeserializeOwned;
use serde_saphyr::{MessageFormatter, UserMessageFormatter};

/// What is wrong, and in which line.
pub(crate) struct Mistake {
    pub(crate) line: Option<u64>,
    pub(crate) problem: String,
}

pub(crate) fn parse<T: DeserializeOwned>(text: &str) -> Result<T, Mistake> {
    serde_saphyr::from_str(text).map_err(|error| {
        let error = error.without_snippet();
        Mistake {
            line: error.location().map(|location| location.line()),
            problem: UserMessageFormatter.format_message(error).into_owned(),
        }
    })
}
