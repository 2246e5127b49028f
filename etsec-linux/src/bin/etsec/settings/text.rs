//! Values that are texts in files and messages: what has a `Display` and the `FromStr` that reads
//! it.

use std::fmt::Display;
use std::str::FromStr;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Writes the value as its text.
pub fn serialize<T: Display, S: Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
    to.collect_str(value)
}

/// Reads the value from its text.
pub fn deserialize<'de, T: FromStr<Err: Display>, D: Deserializer<'de>>(
    from: D,
) -> Result<T, D::Error> {
    let text = String::deserialize(from)?;
    text.parse().map_err(D::Error::custom)
}

/// The same for values that may be absent.
pub mod option {
    use super::*;

    /// Writes the value as its text.
    pub fn serialize<T: Display, S: Serializer>(
        value: &Option<T>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => to.collect_str(value),
            None => to.serialize_none(),
        }
    }

    /// Reads the value from its text.
    pub fn deserialize<'de, T: FromStr<Err: Display>, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Option<T>, D::Error> {
        super::deserialize(from).map(Some)
    }
}

/// A value that is a text wherever it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Text<T>(pub T);

impl<T: Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(&self.0)
    }
}

impl<'de, T: FromStr<Err: Display>> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        deserialize(from).map(Text)
    }
}

/// Words of a command line, `KEY VALUE KEY VALUE …`, as values: `on` and `off`, whole numbers,
/// lists with commas, and else texts.
///
/// # Errors
/// A key without a value.
pub fn pairs(words: &[String]) -> Result<serde_json::Map<String, serde_json::Value>, String> {
    let (pairs, rest) = words.as_chunks::<2>();
    if let [key] = rest {
        return Err(format!("'{key}' has no value; write KEY VALUE, such as 'rx on'"));
    }
    Ok(pairs.iter().map(|[key, word]| (key.clone(), value(word))).collect())
}

fn value(word: &str) -> serde_json::Value {
    if word.contains(',') {
        return word.split(',').map(value).collect();
    }
    match (word, word.parse::<i64>()) {
        ("on" | "true", _) => true.into(),
        ("off" | "false", _) => false.into(),
        (_, Ok(number)) => number.into(),
        _ => word.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn words_become_values() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        let map = pairs(&words("rx on frames 32 weights 1,2,4 mode priority")).unwrap();
        let wanted = json!({ "rx": true, "frames": 32, "weights": [1, 2, 4], "mode": "priority" });
        assert_eq!(serde_json::Value::from(map), wanted);
        assert!(pairs(&words("rx on tx")).unwrap_err().contains("'tx' has no value"));
    }
}
