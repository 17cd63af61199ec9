//! The answer to a probe.

mod accept;
mod json;
mod text;
mod told;
mod wait;

use std::pin::Pin;

use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, Response, StatusCode, Uri,
    header::{ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, ETAG, X_CONTENT_TYPE_OPTIONS},
};
use tokio::time::{Instant, timeout_at};

use self::{accept::Form, told::Told, wait::Patience};
use crate::{
    class::Status,
    drain::OnDrain,
    health::Health,
    probe::{Query, Target},
};

/// What the owner of a listener decided about its answers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manner {
    pub(crate) details: bool,
    /// The status of a probe that fails.
    pub(crate) failure: StatusCode,
}

impl Manner {
    pub(crate) const DEFAULT: Self = Self { details: false, failure: StatusCode::SERVICE_UNAVAILABLE };

    pub(crate) fn internal_server_error(self, is_500: bool) -> Self {
        let failure = if is_500 { StatusCode::INTERNAL_SERVER_ERROR } else { Self::DEFAULT.failure };
        Self { failure, ..self }
    }
}

/// The answer to a probe, now or when there is one.
pub(crate) enum Answer {
    Now(Response<Bytes>),
    Later(LaterAnswer),
}

/// Boxed, as only who asked to wait pays for it.
pub(crate) type LaterAnswer = Pin<Box<dyn Future<Output = Response<Bytes>> + Send>>;

/// The answer to a probe, or nothing if the path is not a probe's.
///
/// It reads what the checks last found, and runs none. Nothing is allocated for a path that is not a probe's.
pub(crate) fn answer<B>(health: &Health, manner: Manner, request: &Request<B>) -> Option<Answer> {
    Target::of(request.uri().path())?;
    if ![Method::GET, Method::HEAD].contains(request.method()) {
        let mut response = document(
            StatusCode::METHOD_NOT_ALLOWED,
            Form::Text,
            "a probe is asked with GET or HEAD\n".into(),
        );
        response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
        return Some(Answer::Now(response));
    }
    let question = Question {
        uri: request.uri().clone(),
        form: Form::of(request.headers()),
        head: request.method() == Method::HEAD,
        manner,
    };
    let answer = question.ask(health);
    let patience = Patience::of(request.headers()).filter(|patience| answer.is_known_to(patience));
    // One more than there is room for is answered at once, as if it had not asked to wait.
    let waiting = patience.and_then(|patience| Some((patience, health.reach().poll_place()?)));
    Some(match waiting {
        None => Answer::Now(answer.give(health)),
        Some((patience, turn)) => {
            let health = health.clone();
            Answer::Later(Box::pin(async move {
                let _turn = turn;
                question.ask_for_news(&health, &patience).await
            }))
        }
    })
}

/// The answer for a path that is not a probe's, where nobody else is there to answer.
pub(crate) fn not_found() -> Response<Bytes> {
    document(StatusCode::NOT_FOUND, Form::Text, "not found\n".into())
}

/// A probe that can be asked again.
struct Question {
    uri: Uri,
    form: Form,
    head: bool,
    manner: Manner,
}

impl Question {
    fn ask(&self, health: &Health) -> Prepared {
        let query = Query::of(self.uri.query());
        let told = Target::of(self.uri.path()).and_then(|target| Told::of(health, target, &query));
        let Some(told) = told else {
            return Prepared { response: not_found(), tag: None, tells_of_shutdown: false };
        };
        let status = match told.status() {
            Status::Pass | Status::Warn => StatusCode::OK,
            Status::Fail if told.only_leaves() && health.reach().on_drain() == OnDrain::NotFound => {
                StatusCode::NOT_FOUND
            }
            Status::Fail => self.manner.failure,
        };
        let text = match self.form {
            Form::Text => text::write(&told, query.verbose, self.manner.details),
            Form::HealthJson | Form::Json => json::write(&told, health, self.manner.details),
        };
        let mut response = document(status, self.form, text);
        let tag = told.tag();
        response.headers_mut().insert(ETAG, HeaderValue::try_from(&tag).expect("it is a word and a number"));
        if self.head {
            // The length is told all the same, as it would be for GET.
            let length = std::mem::take(response.body_mut()).len();
            response.headers_mut().insert(CONTENT_LENGTH, length.into());
        }
        Prepared { response, tag: Some(tag), tells_of_shutdown: told.tells_of_shutdown() }
    }

    /// Asks again with each change, until the answer is news or the patience has come to its end.
    async fn ask_for_news(&self, health: &Health, patience: &Patience) -> Response<Bytes> {
        let end = Instant::now() + patience.wait;
        let mut version = health.version();
        let prepared = loop {
            let prepared = self.ask(health);
            if !prepared.is_known_to(patience) {
                break prepared;
            }
            match timeout_at(end, health.changed(version)).await {
                Ok(now) => version = now,
                Err(_) => break self.ask(health),
            }
        };
        let mut response = prepared.give(health);
        let (name, value) = patience.applied();
        response.headers_mut().insert(name, value);
        response
    }
}

/// An answer that nobody has got yet.
struct Prepared {
    response: Response<Bytes>,
    tag: Option<String>,
    tells_of_shutdown: bool,
}

impl Prepared {
    fn is_known_to(&self, patience: &Patience) -> bool {
        self.tag.as_deref().is_some_and(|tag| patience.knows(tag))
    }

    /// Who is given it has noticed the shutdown, if it tells of one: the lame duck waits for that.
    fn give(self, health: &Health) -> Response<Bytes> {
        if self.tells_of_shutdown {
            health.reach().note_probe();
        }
        self.response
    }
}

fn document(status: StatusCode, form: Form, document: String) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(document));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(form.content_type()));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
