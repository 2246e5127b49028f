//! Just enough of a Rust reader for the style rules: code without comments and strings, words, and
//! the length of functions. It assumes that rustfmt has been over the text.

/// The text with comments and the insides of strings blanked; lines stay where they are.
pub fn strip(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < chars.len() {
        let end = at + skipped(&chars[at..], at.checked_sub(1).map(|n| chars[n]));
        if end == at {
            out.push(chars[at]);
            at += 1;
        } else {
            out.extend(chars[at..end].iter().map(|c| if *c == '\n' { '\n' } else { ' ' }));
            at = end;
        }
    }
    out
}

/// How many characters from here on are a comment or a literal; 0 when this is code.
fn skipped(rest: &[char], before: Option<char>) -> usize {
    match (rest[0], rest.get(1)) {
        ('/', Some('/')) => rest.iter().position(|c| *c == '\n').unwrap_or(rest.len()),
        ('/', Some('*')) => block_comment(rest),
        ('"', _) => quoted(rest, '"'),
        // A lifetime has no closing quote right after; 'x' and '\n' have.
        ('\'', Some('\\')) => quoted(rest, '\''),
        ('\'', Some(_)) if rest.get(2) == Some(&'\'') => 3,
        ('r', Some('"' | '#')) if !before.is_some_and(is_word) || before == Some('b') => raw(rest),
        _ => 0,
    }
}

/// A block comment, which may hold others.
fn block_comment(rest: &[char]) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at + 1 < rest.len() {
        match (rest[at], rest[at + 1]) {
            ('/', '*') => depth += 1,
            ('*', '/') => depth -= 1,
            _ => {
                at += 1;
                continue;
            }
        }
        at += 2;
        if depth == 0 {
            return at;
        }
    }
    rest.len()
}

/// A string or character literal with escapes.
fn quoted(rest: &[char], mark: char) -> usize {
    let mut at = 1;
    while at < rest.len() && rest[at] != mark {
        at += if rest[at] == '\\' { 2 } else { 1 };
    }
    (at + 1).min(rest.len())
}

/// A raw string; 0 when it is a raw identifier.
fn raw(rest: &[char]) -> usize {
    let hashes = rest[1..].iter().take_while(|c| **c == '#').count();
    if rest.get(1 + hashes) != Some(&'"') {
        return 0;
    }
    let mut at = 2 + hashes;
    while at < rest.len() {
        let closes = rest[at] == '"'
            && rest[at + 1..].iter().take_while(|c| **c == '#').take(hashes).count() == hashes;
        at += 1;
        if closes {
            return at + hashes;
        }
    }
    rest.len()
}

/// Whether the text has that word, not only as a part of another.
pub fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        let after = text[at + word.len()..].chars().next();
        !before.is_some_and(is_word) && !after.is_some_and(is_word)
    })
}

/// Whether the character can be a part of a name.
pub fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// Each function with a body in stripped code: its line, its name, its number of lines.
pub fn functions(code: &str) -> Vec<(usize, String, usize)> {
    let lines: Vec<&str> = code.lines().collect();
    let mut found = Vec::new();
    for (first, line) in lines.iter().enumerate() {
        if let Some(name) = defined(line)
            && let Some(length) = length(&lines[first..])
        {
            found.push((first + 1, name, length));
        }
    }
    found
}

/// The name of the function whose definition begins in this line.
fn defined(line: &str) -> Option<String> {
    let at = line.find("fn ")?;
    if line[..at].chars().next_back().is_some_and(is_word) {
        return None;
    }
    let name: String = line[at + 3..].chars().take_while(|c| is_word(*c)).collect();
    (!name.is_empty()).then_some(name)
}

/// Lines until the body's closing brace; none when a semicolon ends a declaration before any body.
fn length(lines: &[&str]) -> Option<usize> {
    let mut depth = 0_usize;
    let mut parens = 0_usize;
    for (n, line) in lines.iter().enumerate() {
        for c in line.chars() {
            match c {
                '(' | '[' => parens += 1,
                ')' | ']' => parens = parens.saturating_sub(1),
                ';' if depth == 0 && parens == 0 => return None,
                '{' => depth += 1,
                '}' if depth == 1 => return Some(n + 1),
                '}' => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_strings_are_blanked_and_lines_stay() {
        let cases = [
            ("a // unsafe\nb", "a          \nb"),
            ("a /* x /* y */ z\n */ b", "a               \n    b"),
            (r#"f("un\"safe", 'a')"#, "f(          ,    )"),
            ("r#\"a\"b\"# + c", "         + c"),
            ("fn f<'a>(x: &'a str)", "fn f<'a>(x: &'a str)"),
            ("'\\'' + b", "     + b"),
            ("r#type + \"\"", "r#type +   "),
            ("\"open", "     "),
        ];
        for (text, expected) in cases {
            assert_eq!(strip(text), expected, "from {text:?}");
        }
    }

    #[test]
    fn words_are_whole() {
        assert!(has_word("x unsafe {", "unsafe"));
        assert!(!has_word("deny(unsafe_code)", "unsafe"));
        assert!(has_word("unsafe_code unsafe", "unsafe"));
    }

    #[test]
    fn functions_are_measured() {
        let code =
            "trait T {\n    fn a(x: [u8; 3]);\n    fn b() {\n        {}\n    }\n}\nfn c() {}\n";
        assert_eq!(functions(code), [(3, "b".into(), 3), (7, "c".into(), 1)]);
    }
}
