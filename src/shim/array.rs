//! Lists as vmagent's flags take them: parted by commas, an item with a comma in quotes.

/// The items of a list. None where vmagent's versions differ: newer ones keep a comma in brackets, older ones do not.
pub(super) fn items(text: &str) -> Option<Vec<String>> {
    if text.is_empty() {
        return Some(Vec::new());
    }
    let mut items = Vec::new();
    let mut rest = text;
    loop {
        let end = item_end(rest)?;
        items.push(unquoted(&rest[..end]));
        let Some(next) = rest[end..].strip_prefix(',') else { return Some(items) };
        rest = next;
    }
}

/// Where the first item ends: at a comma outside of quotes, or at the end.
fn item_end(text: &str) -> Option<usize> {
    let (mut quote, mut is_escaped, mut depth) = (None, false, 0_usize);
    for (at, char) in text.char_indices() {
        match (quote, char) {
            _ if is_escaped => is_escaped = false,
            (Some(_), '\\') => is_escaped = true,
            (Some(open), _) if open == char => quote = None,
            (Some(_), _) => {}
            // One that is never closed is no quote.
            (None, '"' | '\'') if is_closed(&text[at + 1..], char) => quote = Some(char),
            (None, '"' | '\'') => return Some(text.len()),
            (None, '[' | '{' | '(') => depth += 1,
            (None, ']' | '}' | ')') => depth = depth.saturating_sub(1),
            (None, ',') if depth > 0 => return None,
            (None, ',') => return Some(at),
            (None, _) => {}
        }
    }
    Some(text.len())
}

fn is_closed(text: &str, quote: char) -> bool {
    let mut is_escaped = false;
    text.chars().any(|char| {
        let is_end = !is_escaped && char == quote;
        is_escaped = !is_escaped && char == '\\';
        is_end
    })
}

/// An item without the quotes around it.
fn unquoted(item: &str) -> String {
    for quote in ['"', '\''] {
        let inner = item.strip_prefix(quote).and_then(|item| item.strip_suffix(quote));
        if let Some(inner) = inner {
            let escaped: String = ['\\', quote].iter().collect();
            return inner.replace(&escaped, &quote.to_string()).replace(r"\\", r"\");
        }
    }
    item.to_owned()
}

/// A list of these items.
pub(super) fn list(items: &[String]) -> String {
    let item = |item: &String| match item.contains([',', '"', '\'', '[', '{', '(', '\\']) {
        true => format!("\"{}\"", item.replace('\\', r"\\").replace('"', "\\\"")),
        false => item.clone(),
    };
    items.iter().map(item).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lists_are_read_as_vmagent_reads_them() {
        let cases: [(&str, Option<&[&str]>); 11] = [
            ("", Some(&[])),
            ("a", Some(&["a"])),
            ("a,b", Some(&["a", "b"])),
            (",b,", Some(&["", "b", ""])),
            (r#""a,b",c"#, Some(&["a,b", "c"])),
            (r#"'a"b','c\'d'"#, Some(&["a\"b", "c'd"])),
            (r#""a\"b\\""#, Some(&["a\"b\\"])),
            ("a\"b,c", Some(&["a\"b,c"])),
            ("http://[::1]:1/a,http://b", Some(&["http://[::1]:1/a", "http://b"])),
            ("a(b,c)", None),
            ("a{b,c", None),
        ];
        for (text, expected) in cases {
            let read = items(text);
            let read = read.as_ref().map(|items| items.iter().map(String::as_str).collect::<Vec<_>>());
            assert_eq!(read.as_deref(), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(written in prop::collection::vec("[ -~é]{0,8}", 2..5)) {
            prop_assert_eq!(items(&list(&written)), Some(written));
        }

        #[test]
        fn any_text_is_read(text in "\\PC*") {
            let _ = items(&text);
        }
    }
}
