//! The JSON argument of content calls, as a header: every character from U+007F on is written as its UTF-16 units, beyond the BMP as a
//! surrogate pair. Sent otherwise, names arrive altered.

use serde::Serialize;

/// The argument as header-safe JSON.
pub(super) fn header_safe(argument: &impl Serialize) -> serde_json::Result<String> {
    let json = serde_json::to_string(argument)?;
    if json.bytes().all(|byte| byte < 0x7f) {
        return Ok(json);
    }
    let mut safe = String::with_capacity(json.len() + 16);
    for character in json.chars() {
        if character < '\u{7f}' {
            safe.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            safe.push_str(&format!("\\u{unit:04x}"));
        }
    }
    Ok(safe)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn names_beyond_the_bmp_are_surrogate_pairs() {
        assert_eq!(header_safe(&json!({"path": "/rust-😀.txt"})).unwrap(), r#"{"path":"/rust-\ud83d\ude00.txt"}"#);
        assert_eq!(header_safe(&json!("é\u{7f}")).unwrap(), r#""\u00e9\u007f""#);
    }

    #[test]
    fn every_text_survives_and_is_printable_ascii() {
        for text in
            ["", "plain", "tab\t \"quoted\" back\\slash", "日本語", "a\u{10ffff}b\u{ffff}", "\u{7f}\u{80}\u{2028}"]
        {
            let safe = header_safe(&text).unwrap();
            assert!(safe.bytes().all(|byte| (0x20..0x7f).contains(&byte)), "{safe:?}");
            assert_eq!(serde_json::from_str::<Value>(&safe).unwrap(), json!(text));
        }
    }
}
