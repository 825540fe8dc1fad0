//! Values of any form, such as the inputs of a step, and where they are written.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

/// A value and its place.
pub(super) type Placed = Spanned<Value>;

/// Names in the order in which they are written, with what they name.
pub(super) type Named<T> = Vec<(Spanned<String>, T)>;

#[derive(Debug)]
pub(super) enum Value {
    Text(String),
    Boolean,
    Number,
    Nothing,
    List(Vec<Placed>),
    Map(Named<Placed>),
}

/// The line in which something is written.
pub(super) fn line<T>(spanned: &Spanned<T>) -> u64 {
    spanned.referenced.line()
}

impl Value {
    /// The value under a key, if this is a map that has it.
    pub(super) fn get(&self, key: &str) -> Option<&Placed> {
        self.entries().find(|(name, _)| name.value == key).map(|(_, value)| value)
    }

    /// The text under a key.
    pub(super) fn text(&self, key: &str) -> Option<Spanned<&str>> {
        self.get(key).and_then(as_text)
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = (&Spanned<String>, &Placed)> {
        let entries = if let Self::Map(entries) = self { entries.as_slice() } else { &[] };
        entries.iter().map(|(name, value)| (name, value))
    }

    pub(super) fn items(&self) -> &[Placed] {
        if let Self::List(items) = self { items } else { &[] }
    }

    /// What it is, in JSON's words.
    pub(super) const fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Boolean => "a boolean",
            Self::Number => "a number",
            Self::Nothing => "null",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        }
    }
}

/// The text of a value that is one.
pub(super) fn as_text(placed: &Placed) -> Option<Spanned<&str>> {
    match &placed.value {
        Value::Text(text) => {
            Some(Spanned { value: text.as_str(), referenced: placed.referenced, defined: placed.defined })
        }
        Value::Boolean | Value::Number | Value::Nothing | Value::List(_) | Value::Map(_) => None,
    }
}

/// All texts in a value, and all keys of its maps.
pub(super) fn texts_and_keys<'a>(
    placed: &'a Placed,
    texts: &mut Vec<Spanned<&'a str>>,
    keys: &mut Vec<&'a Spanned<String>>,
) {
    texts.extend(as_text(placed));
    for item in placed.value.items() {
        texts_and_keys(item, texts, keys);
    }
    for (key, value) in placed.value.entries() {
        keys.push(key);
        texts_and_keys(value, texts, keys);
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Any)
    }
}

struct Any;

impl<'de> Visitor<'de> for Any {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_str<E>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.to_owned()))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Value, E> {
        Ok(Value::Boolean)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Value, E> {
        Ok(Value::Number)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Value, E> {
        Ok(Value::Number)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Value, E> {
        Ok(Value::Number)
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Nothing)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Value, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = access.next_element()? {
            items.push(item);
        }
        Ok(Value::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<Value, A::Error> {
        named(access).map(Value::Map)
    }
}

fn named<'de, T: Deserialize<'de>, A: MapAccess<'de>>(mut access: A) -> Result<Named<T>, A::Error> {
    let mut entries = Vec::new();
    while let Some(entry) = access.next_entry()? {
        entries.push(entry);
    }
    Ok(entries)
}

/// Reads a map and keeps where its keys are.
pub(super) fn deserialize_named<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    deserializer: D,
) -> Result<Named<T>, D::Error> {
    struct Entries<T>(std::marker::PhantomData<T>);

    impl<'de, T: Deserialize<'de>> Visitor<'de> for Entries<T> {
        type Value = Named<T>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a map")
        }

        fn visit_map<A: MapAccess<'de>>(self, access: A) -> Result<Self::Value, A::Error> {
            named(access)
        }
    }

    deserializer.deserialize_map(Entries(std::marker::PhantomData))
}
