//! Answers: short text, and the headers every answer has.

use bytes::Bytes;
use http_body_util::Full;
use hyper::header::{CONNECTION, CONTENT_TYPE, HeaderName, HeaderValue};
use hyper::{Response, StatusCode};

pub(super) type Answer = Response<Full<Bytes>>;

/// Success of a push: nothing to say.
pub(super) fn no_content() -> Answer {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = StatusCode::NO_CONTENT;
    answer
}

/// A line of text.
pub(super) fn line(status: StatusCode, text: &str) -> Answer {
    with_type(status, "text/plain; charset=utf-8", format!("{text}\n"))
}

pub(super) fn with_type(status: StatusCode, content_type: &'static str, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    // Without it, a browser may take an error that quotes its input for a page.
    headers.insert("x-content-type-options", HeaderValue::from_static("nosniff"));
    answer
}

/// Adds a header whose value the program itself made.
pub(super) fn header(mut answer: Answer, name: HeaderName, value: &str) -> Answer {
    let value = HeaderValue::from_str(value).expect("BUG: a header of our own is plain text");
    answer.headers_mut().insert(name, value);
    answer
}

/// The connection ends after this answer: the rest of the request was not read.
pub(super) fn closing(mut answer: Answer) -> Answer {
    answer.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    answer
}

/// True for an answer made by [`closing`].
pub(super) fn is_closing(answer: &Answer) -> bool {
    answer.headers().contains_key(CONNECTION)
}
