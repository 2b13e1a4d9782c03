//! Refusals and the answers that they become.

use http::header::{HeaderName, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde_json::{Value, json};

use super::{nest, tag};
use crate::http::Response;
use crate::random::Stream;

/// Why a call is not carried out.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Refusal {
    /// 409 with the route's error.
    Api(Value),
    /// 400 with this text after the name of the function.
    BadRequest(String),
    /// 400 with this text alone.
    Text(String),
    /// 401 with an `AuthError`.
    Auth(Value),
    /// 422 with a `PathRootError`.
    PathRoot(Value),
    /// 429.
    Limited { reason: &'static str, retry_after: Option<u64>, text: bool },
}

impl Refusal {
    pub(crate) fn path(inner: Value) -> Self {
        Self::Api(nest("path", inner))
    }

    pub(crate) fn tag(name: &str) -> Self {
        Self::Api(tag(name))
    }

    pub(crate) fn into_response(self, route: &str, random: &Stream) -> Response {
        match self {
            Self::Api(error) => with_summary(StatusCode::CONFLICT, &error, random),
            Self::BadRequest(text) => {
                Response::text(StatusCode::BAD_REQUEST, format!("Error in call to API function \"{route}\": {text}"))
            }
            Self::Text(text) => Response::text(StatusCode::BAD_REQUEST, text),
            Self::Auth(error) => with_summary(StatusCode::UNAUTHORIZED, &error, random)
                .with(WWW_AUTHENTICATE, "Bearer realm=\"Dropbox-API\""),
            Self::PathRoot(error) => with_summary(StatusCode::UNPROCESSABLE_ENTITY, &error, random),
            Self::Limited { reason, retry_after, text } => limited(reason, retry_after, text, random),
        }
    }
}

/// The tags on the way down, then up to three dots; clients may rely on the beginning only.
pub(crate) fn summary(error: &Value, random: &Stream) -> String {
    let mut text = String::new();
    let mut at = error;
    while let Some(tag) = at.get(".tag").and_then(Value::as_str) {
        text.push_str(tag);
        text.push('/');
        at = at.get(tag).or_else(|| at.get("reason")).unwrap_or(&Value::Null);
    }
    let dots = usize::try_from(random.below(4)).unwrap_or(0);
    text + &"..."[..dots]
}

fn with_summary(status: StatusCode, error: &Value, random: &Stream) -> Response {
    Response::json(status, json!({ "error_summary": summary(error, random), "error": error }).to_string())
}

fn limited(reason: &str, retry_after: Option<u64>, text: bool, random: &Stream) -> Response {
    let dots = usize::try_from(random.below(4)).unwrap_or(0);
    let mut response = if text {
        Response::text(StatusCode::TOO_MANY_REQUESTS, reason.to_owned())
    } else {
        let mut error = json!({ "reason": tag(reason) });
        // Of the two reasons only this one says in the body how long to wait.
        if let Some(seconds) = retry_after.filter(|_| reason == "too_many_requests") {
            error["retry_after"] = seconds.into();
        }
        let summary = format!("{reason}/{}", &"..."[..dots]);
        Response::json(StatusCode::TOO_MANY_REQUESTS, json!({ "error_summary": summary, "error": error }).to_string())
    };
    if let Some(seconds) = retry_after {
        response.headers.insert(RETRY_AFTER, HeaderValue::from(seconds));
    }
    response
}

/// Every answer has one.
pub(crate) fn request_id(random: &Stream) -> (HeaderName, String) {
    let id = random.bytes::<16>().iter().map(|byte| format!("{byte:02x}")).collect();
    (HeaderName::from_static("x-dropbox-request-id"), id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_is_the_way_of_tags_and_some_dots() {
        let random = Stream::new(1, "summary");
        let cases = [
            (nest("path", tag("not_found")), "path/not_found/"),
            (json!({ ".tag": "incorrect_offset", "correct_offset": 9 }), "incorrect_offset/"),
            (
                json!({ ".tag": "path", "reason": nest("conflict", tag("file")), "upload_session_id": "x" }),
                "path/conflict/file/",
            ),
        ];
        let mut endings = std::collections::BTreeSet::new();
        for _ in 0..40 {
            for (error, start) in &cases {
                let summary = summary(error, &random);
                endings.insert(summary.strip_prefix(start).expect("prefix").to_owned());
            }
        }
        assert_eq!(endings, ["", ".", "..", "..."].map(str::to_owned).into());
    }
}
