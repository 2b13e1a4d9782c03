//! Arguments, taken apart as strictly as the service does: every field known, of its type, in its range, before any state is
//! looked at.

use serde_json::{Map, Value};

use super::Refusal;
use crate::dropbox::model::NsId;

/// The fields of one object that are still to be taken.
#[derive(Clone, Debug)]
pub(crate) struct Args {
    fields: Map<String, Value>,
    /// Where the object stands, for error texts.
    at: String,
}

/// A union's member.
#[derive(Clone, Debug)]
pub(crate) struct Member {
    pub(crate) tag: String,
    /// What stands beside the tag.
    pub(crate) fields: Args,
}

/// Which forms a path argument may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum PathKind {
    /// `""`, `/…`, `id:…`, `ns:…`.
    List,
    /// `/…`, `id:…`, `rev:…`, `ns:…`.
    Read,
    /// `/…`, `ns:…`, `id:…`.
    Write,
    /// `/…`, `ns:…`.
    Create,
}

/// A path argument taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum PathArg {
    /// From the root of the view; the root itself is empty.
    Path(String),
    /// An id, and a path below it.
    Id(String, String),
    Rev(String),
    /// From the root of a namespace.
    Ns(NsId, String),
}

type Taken<T> = Result<T, Refusal>;

impl Args {
    /// The argument of a call; `at` is how error texts name its place.
    pub(crate) fn parse(bytes: &[u8], at: &str) -> Taken<Self> {
        let error = |reason: &str| Refusal::BadRequest(format!("{at}: {reason}"));
        match serde_json::from_slice(bytes) {
            Ok(Value::Object(fields)) => Ok(Self { fields, at: at.to_owned() }),
            Ok(_) => Err(error("expected object")),
            Err(_) => Err(error("could not decode input as JSON")),
        }
    }

    /// A void argument.
    pub(crate) fn parse_void(bytes: &[u8], at: &str) -> Taken<Self> {
        match bytes {
            b"" | b"null" => Ok(Self { fields: Map::new(), at: at.to_owned() }),
            _ => Err(Refusal::BadRequest(format!("{at}: expected null, got value"))),
        }
    }

    pub(crate) fn error(&self, field: &str, reason: &str) -> Refusal {
        Refusal::BadRequest(format!("{}: {field}: {reason}", self.at))
    }

    fn missing(&self, field: &str) -> Refusal {
        Refusal::BadRequest(format!("{}: missing required field '{field}'", self.at))
    }

    /// Nothing is left over.
    pub(crate) fn done(self) -> Taken<()> {
        match self.fields.keys().find(|name| *name != ".tag") {
            Some(unknown) => Err(Refusal::BadRequest(format!("{}: unknown field '{unknown}'", self.at))),
            None => Ok(()),
        }
    }

    fn take(&mut self, field: &str) -> Option<Value> {
        self.fields.shift_remove(field)
    }

    /// Takes a field and drops it, when nothing here depends on it.
    pub(crate) fn ignore(&mut self, field: &str) {
        self.take(field);
    }

    pub(crate) fn optional_string(&mut self, field: &str) -> Taken<Option<String>> {
        match self.take(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.expected(field, "string", &other)),
        }
    }

    pub(crate) fn string(&mut self, field: &str) -> Taken<String> {
        self.optional_string(field)?.ok_or_else(|| self.missing(field))
    }

    fn expected(&self, field: &str, kind: &str, got: &Value) -> Refusal {
        let got = match got {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "list",
            Value::Object(_) => "object",
        };
        self.error(field, &format!("expected {kind}, got {got}"))
    }

    /// A flag that is off unless given.
    pub(crate) fn flag(&mut self, field: &str) -> Taken<bool> {
        self.flag_or(field, false)
    }

    pub(crate) fn flag_or(&mut self, field: &str, default: bool) -> Taken<bool> {
        match self.take(field) {
            None => Ok(default),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(other) => Err(self.expected(field, "boolean", &other)),
        }
    }

    pub(crate) fn optional_number(&mut self, field: &str, least: u64, most: u64) -> Taken<Option<u64>> {
        match self.take(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Number(number)) => match number.as_u64() {
                Some(number) if (least..=most).contains(&number) => Ok(Some(number)),
                Some(number) if number > most => Err(self.error(field, &format!("{number} is more than {most}"))),
                Some(_) | None => Err(self.error(field, &format!("{number} is less than {least}"))),
            },
            Some(other) => Err(self.expected(field, "integer", &other)),
        }
    }

    pub(crate) fn number(&mut self, field: &str, least: u64, most: u64) -> Taken<u64> {
        self.optional_number(field, least, most)?.ok_or_else(|| self.missing(field))
    }

    pub(crate) fn object(&mut self, field: &str) -> Taken<Self> {
        match self.take(field) {
            None => Err(self.missing(field)),
            Some(Value::Object(fields)) => Ok(Self { fields, at: format!("{}: {field}", self.at) }),
            Some(other) => Err(self.expected(field, "object", &other)),
        }
    }

    /// An object that may be left out.
    pub(crate) fn optional_object(&mut self, field: &str) -> Taken<Option<Self>> {
        if self.fields.get(field).is_none_or(Value::is_null) {
            self.take(field);
            return Ok(None);
        }
        self.object(field).map(Some)
    }

    fn list(&mut self, field: &str, least: usize, most: usize) -> Taken<Vec<Value>> {
        match self.take(field) {
            None => Err(self.missing(field)),
            Some(Value::Array(items)) if items.len() < least => {
                Err(self.error(field, &format!("list has fewer than {least} items")))
            }
            Some(Value::Array(items)) if items.len() > most => {
                Err(self.error(field, &format!("list has more than {most} items")))
            }
            Some(Value::Array(items)) => Ok(items),
            Some(other) => Err(self.expected(field, "list", &other)),
        }
    }

    pub(crate) fn objects(&mut self, field: &str, least: usize, most: usize) -> Taken<Vec<Self>> {
        let items = self.list(field, least, most)?;
        let each = items.into_iter().enumerate().map(|(index, item)| {
            if let Value::Object(fields) = item {
                return Ok(Self { fields, at: format!("{}: {field}: {index}", self.at) });
            }
            Err(self.expected(field, "object", &item))
        });
        each.collect()
    }

    pub(crate) fn strings(&mut self, field: &str, least: usize, most: usize) -> Taken<Vec<String>> {
        let items = self.list(field, least, most)?;
        let each = items.into_iter().map(|item| {
            if let Value::String(text) = item { Ok(text) } else { Err(self.expected(field, "string", &item)) }
        });
        each.collect()
    }

    /// A list of strings that may be left out.
    pub(crate) fn optional_strings(&mut self, field: &str, most: usize) -> Taken<Vec<String>> {
        if self.fields.get(field).is_none_or(Value::is_null) {
            self.take(field);
            return Ok(Vec::new());
        }
        self.strings(field, 0, most)
    }

    /// A union: `"tag"` for a member that is void, else an object with `.tag`.
    pub(crate) fn union(&mut self, field: &str) -> Taken<Option<Member>> {
        let at = format!("{}: {field}", self.at);
        match self.take(field) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(tag)) => Ok(Some(Member { tag, fields: Self { fields: Map::new(), at } })),
            Some(Value::Object(mut fields)) => match fields.shift_remove(".tag") {
                Some(Value::String(tag)) => Ok(Some(Member { tag, fields: Self { fields, at } })),
                Some(_) | None => Err(self.error(field, "missing '.tag' key")),
            },
            Some(other) => Err(self.expected(field, "union", &other)),
        }
    }

    /// A union of void members only.
    pub(crate) fn choice(&mut self, field: &str, members: &[&str]) -> Taken<Option<String>> {
        let Some(member) = self.union(field)? else { return Ok(None) };
        if !members.contains(&member.tag.as_str()) {
            return Err(self.error(field, &format!("invalid tag '{}'", member.tag)));
        }
        member.fields.done()?;
        Ok(Some(member.tag))
    }

    pub(crate) fn path(&mut self, field: &str, kind: PathKind) -> Taken<PathArg> {
        let text = self.string(field)?;
        PathArg::parse(&text, kind).map_err(|reason| self.error(field, &reason))
    }

    /// A content hash, which is 64 hexadecimal digits.
    pub(crate) fn content_hash(&mut self) -> Taken<Option<String>> {
        let hash = self.optional_string("content_hash")?;
        match hash {
            Some(hash) if hash.len() != 64 => Err(self.error("content_hash", "'content_hash' must be 64 characters")),
            hash => Ok(hash),
        }
    }
}

impl PathArg {
    pub(crate) fn parse(text: &str, kind: PathKind) -> Result<Self, String> {
        let pattern = match kind {
            PathKind::List => "(/(.|[\\r\\n])*)?|id:.*|(ns:[0-9]+(/.*)?)",
            PathKind::Read => "(/(.|[\\r\\n])*|id:.*)|(rev:[0-9a-f]{9,})|(ns:[0-9]+(/.*)?)",
            PathKind::Write => "(/(.|[\\r\\n])*)|(ns:[0-9]+(/.*)?)|(id:.*)",
            PathKind::Create => "(/(.|[\\r\\n])*)|(ns:[0-9]+(/.*)?)",
        };
        let mismatch = || format!("'{text}' did not match pattern '{pattern}'");
        if text == "/" {
            return Err(match kind {
                PathKind::List => "Specify the root folder as an empty string rather than as \"/\".".to_owned(),
                PathKind::Read | PathKind::Write | PathKind::Create => "The root folder is unsupported.".to_owned(),
            });
        }
        if text.is_empty() {
            return match kind {
                PathKind::List => Ok(Self::Path(String::new())),
                PathKind::Read => Err("The root folder is unsupported.".to_owned()),
                PathKind::Write | PathKind::Create => Err(mismatch()),
            };
        }
        if text.starts_with('/') {
            return Ok(Self::Path(text.to_owned()));
        }
        if let Some(rest) = text.strip_prefix("id:").filter(|_| kind != PathKind::Create) {
            let (id, below) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
            return Ok(Self::Id(format!("id:{id}"), below.to_owned()));
        }
        if let Some(rev) = text.strip_prefix("rev:").filter(|_| kind == PathKind::Read) {
            let right = rev.len() >= 9 && rev.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
            return if right { Ok(Self::Rev(rev.to_owned())) } else { Err(mismatch()) };
        }
        if let Some(rest) = text.strip_prefix("ns:") {
            let (ns, below) = rest.find('/').map_or((rest, ""), |at| rest.split_at(at));
            let below = below.strip_suffix('/').filter(|below| below.is_empty()).unwrap_or(below);
            return ns.parse().map(|ns| Self::Ns(NsId(ns), below.to_owned())).map_err(|_| mismatch());
        }
        Err(mismatch())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(text: &str) -> Args {
        Args::parse(text.as_bytes(), "request body").unwrap()
    }

    fn text(refusal: Refusal) -> String {
        let Refusal::BadRequest(text) = refusal else { panic!("{refusal:?}") };
        text
    }

    #[test]
    fn wrong_arguments_are_named_with_their_place() {
        let mut wrong = args(r#"{"path":3,"recursive":"yes","limit":0,"extra":1}"#);
        assert_eq!(text(wrong.string("path").unwrap_err()), "request body: path: expected string, got number");
        assert_eq!(text(wrong.flag("recursive").unwrap_err()), "request body: recursive: expected boolean, got string");
        assert_eq!(text(wrong.optional_number("limit", 1, 2000).unwrap_err()), "request body: limit: 0 is less than 1");
        assert_eq!(text(wrong.string("path").unwrap_err()), "request body: missing required field 'path'");
        assert_eq!(text(wrong.done().unwrap_err()), "request body: unknown field 'extra'");
        assert_eq!(
            text(Args::parse(b"{", "request body").unwrap_err()),
            "request body: could not decode input as JSON"
        );
    }

    #[test]
    fn a_union_may_be_a_bare_string_only_where_it_is_void() {
        let mut mode = args(r#"{"a":"add","b":{".tag":"update","update":"x"}}"#);
        assert_eq!(mode.choice("a", &["add", "overwrite"]).unwrap().unwrap(), "add");
        let mut update = mode.union("b").unwrap().unwrap();
        assert_eq!((update.tag.as_str(), update.fields.string("update").unwrap().as_str()), ("update", "x"));
        assert!(args(r#"{"a":"else"}"#).choice("a", &["add"]).is_err());
        assert!(args(r#"{"a":{"update":"x"}}"#).union("a").is_err());
    }

    #[test]
    fn paths_have_the_forms_that_their_route_takes() {
        let parse = PathArg::parse;
        assert_eq!(parse("", PathKind::List), Ok(PathArg::Path(String::new())));
        assert_eq!(
            parse("/", PathKind::List).unwrap_err(),
            "Specify the root folder as an empty string rather than as \"/\"."
        );
        assert_eq!(parse("", PathKind::Read).unwrap_err(), "The root folder is unsupported.");
        assert_eq!(parse("id:abc", PathKind::Write), Ok(PathArg::Id("id:abc".into(), String::new())));
        assert!(parse("id:abc", PathKind::Create).is_err());
        assert_eq!(parse("rev:0123456789", PathKind::Read), Ok(PathArg::Rev("0123456789".into())));
        assert!(parse("rev:0123456789", PathKind::Write).is_err());
        assert!(parse("rev:01234567", PathKind::Read).is_err());
        assert_eq!(parse("ns:12/a", PathKind::List), Ok(PathArg::Ns(NsId(12), "/a".into())));
        assert!(parse("a", PathKind::Read).unwrap_err().starts_with("'a' did not match pattern"));
    }
}
