//! The answer to a probe, in the text that Kubernetes' own servers use.
//!
//! The form is that of `k8s.io/apiserver/pkg/server/healthz`, to the byte, but for two additions: a check that
//! degrades, and the line that a single check answers with.

use std::fmt::Write;

use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, Response, StatusCode,
    header::{ALLOW, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS},
};

use crate::{
    health::{Health, Line},
    probe::{Probe, Query, Target},
    reason::printable,
};

/// The answer to a probe, or nothing if the path is not a probe's.
///
/// It reads what the checks last found, and runs none. Nothing is allocated for a path that is not a probe's.
pub(crate) fn answer<B>(health: &Health, details: bool, request: &Request<B>) -> Option<Response<Bytes>> {
    let target = Target::of(request.uri().path())?;
    Some(match *request.method() {
        Method::GET => respond(health, details, target, request.uri().query()),
        Method::HEAD => without_body(respond(health, details, target, request.uri().query())),
        _ => {
            let mut response =
                text(StatusCode::METHOD_NOT_ALLOWED, "a probe is asked with GET or HEAD\n".into());
            response.headers_mut().insert(ALLOW, HeaderValue::from_static("GET, HEAD"));
            response
        }
    })
}

/// The answer for a path that is not a probe's, where nobody else is there to answer.
pub(crate) fn not_found() -> Response<Bytes> {
    text(StatusCode::NOT_FOUND, "not found\n".into())
}

fn respond(health: &Health, details: bool, target: Target<'_>, query: Option<&str>) -> Response<Bytes> {
    let Some(check) = target.check else { return every(health, details, target.probe, &Query::of(query)) };
    match health.lines(target.probe).find(|line| line.name == check) {
        Some(line) => single(health, &line, details),
        None => not_found(),
    }
}

fn every(health: &Health, details: bool, probe: Probe, query: &Query<'_>) -> Response<Bytes> {
    let mut document = String::with_capacity(256);
    let mut failed = false;
    let mut unknown = query.excluded.clone();
    for line in health.lines(probe) {
        if query.excluded.contains(&line.name) {
            unknown.retain(|name| *name != line.name);
            let _ = writeln!(document, "[+]{} excluded: ok", line.name);
        } else {
            failed |= line.fails_probe();
            note(health, &line);
            write_line(&mut document, &line, details);
        }
    }
    warn_of(&unknown, &mut document);
    match (failed, query.verbose) {
        (true, _) => {
            let _ = writeln!(document, "{} check failed", probe.as_str());
            text(StatusCode::SERVICE_UNAVAILABLE, document)
        }
        (false, true) => {
            let _ = writeln!(document, "{} check passed", probe.as_str());
            text(StatusCode::OK, document)
        }
        (false, false) => text(StatusCode::OK, "ok".into()),
    }
}

/// One check answers for itself, whether or not its failure would fail the probe.
fn single(health: &Health, line: &Line<'_>, details: bool) -> Response<Bytes> {
    note(health, line);
    if line.finding.is_ok() {
        return text(StatusCode::OK, "ok".into());
    }
    let mut document = String::with_capacity(64);
    write_line(&mut document, line, details);
    text(StatusCode::SERVICE_UNAVAILABLE, document)
}

/// Who asked has noticed: the lame duck waits for that.
fn note(health: &Health, line: &Line<'_>) {
    if line.tells_of_shutdown() {
        health.note_probe();
    }
}

fn write_line(document: &mut String, Line { name, critical, finding }: &Line<'_>, details: bool) {
    let _ = match finding {
        Ok(()) => writeln!(document, "[+]{name} ok"),
        Err(reason) => {
            let (mark, state) = if *critical { ('-', "failed") } else { ('+', "degraded") };
            let reason = if details { reason } else { "reason withheld" };
            writeln!(document, "[{mark}]{name} {state}: {reason}")
        }
    };
}

fn warn_of(unknown: &[&str], document: &mut String) {
    if unknown.is_empty() {
        return;
    }
    document.push_str("warn: some health checks cannot be excluded: no matches for ");
    for (index, name) in unknown.iter().take(NAMES_ECHOED).enumerate() {
        document.push_str(if index == 0 { "\"" } else { ",\"" });
        for character in name.chars().take(CHARACTERS_ECHOED).map(printable) {
            if matches!(character, '"' | '\\') {
                document.push('\\');
            }
            document.push(character);
        }
        document.push('"');
    }
    document.push('\n');
}

fn text(status: StatusCode, document: String) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(document));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// The length is told all the same, as it would be for GET.
fn without_body(mut response: Response<Bytes>) -> Response<Bytes> {
    let length = std::mem::take(response.body_mut()).len();
    response.headers_mut().insert(CONTENT_LENGTH, length.into());
    response
}

const NAMES_ECHOED: usize = 8;
const CHARACTERS_ECHOED: usize = 63;
