//! What a request's span says of its head.

use http::{
    HeaderMap, Uri,
    header::{HOST, USER_AGENT},
    uri::Authority,
};
use macadam_core::RequestContext;
use opentelemetry::KeyValue;

use crate::{
    metrics::Labels,
    text::{boundary, redacted},
};

/// All that is known when the request arrives.
pub(super) fn of(uri: &Uri, headers: &HeaderMap, context: &RequestContext, labels: Labels) -> Vec<KeyValue> {
    let mut attributes = Vec::with_capacity(16);
    let mut say = |name: &'static str, value: String| attributes.push(KeyValue::new(name, value));
    let header = |name| headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()));

    if labels.method() == "_OTHER" {
        say("http.request.method_original", cut(context.wire().method().as_str()).to_owned());
    }
    say("url.path", cut(uri.path()).to_owned());
    if let Some(query) = uri.query() {
        say("url.query", redacted(cut(query)));
    }
    let host = uri.authority().map(|authority| authority.as_str().into()).or_else(|| header(HOST));
    let host = host.as_deref().and_then(|host| cut(host).parse::<Authority>().ok());
    if let Some(host) = &host {
        say("server.address", host.host().trim_matches(['[', ']']).to_owned());
    }
    if let Some(peer) = context.peer() {
        say("client.address", peer.ip().to_canonical().to_string());
        say("network.peer.address", peer.ip().to_canonical().to_string());
    }
    if let Some(agent) = header(USER_AGENT) {
        say("user_agent.original", cut(&agent).to_owned());
    }
    if let Some(id) = context.request_id() {
        say("request_id", id.to_string());
    }
    let ports = [
        ("server.port", host.as_ref().and_then(Authority::port_u16)),
        ("network.peer.port", context.peer().map(|peer| peer.port())),
    ];
    attributes.extend([
        KeyValue::new("http.request.method", labels.method()),
        KeyValue::new("url.scheme", labels.scheme().as_str()),
        KeyValue::new("network.protocol.version", labels.version()),
    ]);
    attributes
        .extend(ports.into_iter().filter_map(|(name, port)| Some(KeyValue::new(name, i64::from(port?)))));
    attributes
}

/// As much of a peer's text as is kept.
fn cut(text: &str) -> &str {
    &text[..boundary(text, LONGEST)]
}

/// Less than of the service's own texts: whoever sends a request chooses these.
const LONGEST: usize = 1024;
