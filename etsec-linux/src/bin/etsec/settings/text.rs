//! Values that are texts in files and messages: what has a `Display` and the `FromStr` that reads
//! it.

use std::fmt::Display;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::str::FromStr;

use anyhow::{Context, Result, ensure};

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serializer};

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

/// The same for lists. One value is a list of it, and `none` an empty one, as words of the command
/// line have it.
pub mod list {
    use super::*;

    #[derive(Deserialize)]
    #[serde(untagged, expecting = "wanted is a list of texts, or one text")]
    enum Words {
        Many(Vec<String>),
        One(String),
    }

    /// Writes the values as their texts.
    pub fn serialize<T: Display, S: Serializer>(values: &[T], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(values.iter().map(ToString::to_string))
    }

    /// Reads the values from their texts.
    pub fn deserialize<'de, T: FromStr<Err: Display>, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<T>, D::Error> {
        let words = match Words::deserialize(from)? {
            Words::One(word) if word == "none" => Vec::new(),
            Words::One(word) => vec![word],
            Words::Many(words) => words,
        };
        words.iter().map(|word| word.parse().map_err(D::Error::custom)).collect()
    }
}

/// The longest file of settings or rules in bytes.
const FILE_MAX: u64 = 1 << 20;

/// Reads a file of settings or rules.
///
/// # Errors
/// With the file, what the system says, or that it is no such file.
pub fn read(path: &Path) -> Result<String> {
    let named = || format!("cannot read {}", path.display());
    let mut text = Vec::new();
    let file = File::open(path).with_context(named)?;
    file.take(FILE_MAX + 1).read_to_end(&mut text).with_context(named)?;
    ensure!(text.len() as u64 <= FILE_MAX, "{}: longer than {FILE_MAX} bytes", path.display());
    String::from_utf8(text).ok().with_context(|| format!("{}: not a text", path.display()))
}

/// A reader's message without the names that only the program knows.
pub fn plain(message: &str) -> String {
    message.replace('\n', "; ").replace("expected i64", "expected a whole number")
}

/// Words of a command line, `KEY VALUE KEY VALUE …`, as values: `on` and `off`, whole numbers,
/// lists with commas, and else texts.
///
/// # Errors
/// A key without a value, or one that is there twice.
pub fn pairs(words: &[String]) -> Result<serde_json::Map<String, serde_json::Value>, String> {
    let (pairs, rest) = words.as_chunks::<2>();
    if let [key] = rest {
        return Err(format!("'{key}' has no value; write KEY VALUE, such as 'rx on'"));
    }
    let mut values = serde_json::Map::new();
    for [key, word] in pairs {
        if values.insert(key.clone(), value(word)).is_some() {
            return Err(format!("'{key}' is there twice"));
        }
    }
    Ok(values)
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
        assert_eq!(pairs(&words("rx on rx off")).unwrap_err(), "'rx' is there twice");
    }
}
