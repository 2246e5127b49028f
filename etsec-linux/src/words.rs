//! Errors as one line for people. It knows no error.

use std::error::Error;
use std::iter;

/// An error and its causes in one line, leaving out those that the words before have named already.
#[must_use]
pub fn in_words(error: &(dyn Error + 'static)) -> String {
    let mut words = String::new();
    for cause in iter::successors(Some(error), |error| error.source()) {
        let cause = cause.to_string();
        if !words.contains(&cause) {
            let colon = if words.is_empty() { "" } else { ": " };
            words.push_str(colon);
            words.push_str(&cause);
        }
    }
    words
}
