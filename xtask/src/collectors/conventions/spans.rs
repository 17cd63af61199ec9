//! Spans of HTTP servers.

use std::collections::{BTreeMap, BTreeSet};

use super::{Spans, int, is, text};
use crate::collectors::client::HOST;
use crate::collectors::decoded::{Decoded, Span};
use crate::collectors::load::{CALLER, CANARY, SECRET, Sent, Stays};
use crate::collectors::table::Table;

/// Each request with its span, by the id that it sent; says whether that is one each.
pub(super) fn of<'a>(table: &mut Table, decoded: &'a Decoded, sent: &'a [Sent]) -> Spans<'a> {
    let mut by_id = BTreeMap::<&str, &Span>::new();
    for span in &decoded.spans {
        by_id.extend(span.attributes.get("request_id").map(|id| (id.as_str(), span)));
    }
    let server = decoded.spans.iter().filter(|span| span.said("Kind") == "SPAN_KIND_SERVER").count();
    let told = || sent.iter().filter(|sent| sent.is_told());
    let spans: Spans<'a> =
        told().filter_map(|sent| Some((sent.number, (sent, *by_id.get(&*text(sent.id()))?)))).collect();
    let must = told().count();
    table.row("spans of kind `SERVER`", server, must, server == must);
    table.row("requests that have their span", spans.len(), must, spans.len() == must);
    table.row("all other spans", decoded.spans.len() - server, 0, decoded.spans.len() == server);
    spans
}

pub(super) fn check(table: &mut Table, spans: &Spans<'_>) {
    let all = || spans.values();
    let mut of = |claim: &str, holds: fn(&Sent, &Span) -> bool| {
        table.each(claim, all(), |(sent, span)| holds(sent, span));
    };
    of("name: `{method} {route}`, or `{method}`; `HTTP` for `_OTHER`", |sent, span| {
        let method = if sent.method() == "_OTHER" { "HTTP" } else { sent.method() };
        let name = sent.route().map_or(method.to_owned(), |route| format!("{method} {route}"));
        span.said("Name") == name
    });
    of("name: never the path", |_, span| !span.said("Name").contains(CANARY));
    of("`http.request.method`, required", |sent, span| {
        is(&span.attributes, "http.request.method", Some(text(sent.method())))
    });
    of("`http.request.method_original`, of `_OTHER` alone", |sent, span| {
        let original = (sent.method() == "_OTHER").then(|| text(sent.ask.method));
        is(&span.attributes, "http.request.method_original", original)
    });
    of("`url.path`, required", |sent, span| {
        is(&span.attributes, "url.path", Some(text(sent.path_and_query().0)))
    });
    of("`url.scheme`, required", |_, span| is(&span.attributes, "url.scheme", Some(text("http"))));
    of("`url.query`, where there is one, without its secrets", |sent, span| {
        let query = sent.path_and_query().1.map(|query| text(query.replace(SECRET, "REDACTED")));
        is(&span.attributes, "url.query", query)
    });
    of("`http.route`: the template that matched, or none", |sent, span| {
        is(&span.attributes, "http.route", sent.route().map(text))
    });
    of("`http.response.status_code`: a number, where one was sent", |sent, span| {
        is(&span.attributes, "http.response.status_code", sent.status().map(int))
    });
    of("`error.type`: a word of the list or the status of a 5xx, on no success", |sent, span| {
        is(&span.attributes, "error.type", sent.error().map(text))
    });
    of("status: `ERROR` of a request that failed, unset up to 4xx", |sent, span| {
        let is_clients = sent.status().is_some_and(|status| (400..500).contains(&status));
        let is_error = sent.error().is_some() && !is_clients;
        span.said("Status code") == if is_error { "STATUS_CODE_ERROR" } else { "" }
            || !is_error && span.said("Status code") == "STATUS_CODE_UNSET"
    });
    of("status: no description", |_, span| span.said("Status message").is_empty());
    of("`network.protocol.version`: `1.0`, `1.1` or `2`", |sent, span| {
        is(&span.attributes, "network.protocol.version", Some(text(sent.version())))
    });
    of("`server.address` and `server.port`, as the client said them", |_, span| {
        is(&span.attributes, "server.address", Some(text(HOST[0])))
            && is(&span.attributes, "server.port", Some(int(HOST[1])))
    });
    of("`client.address`, `network.peer.address` and `.port`", |_, span| {
        let port = span.attributes.get("network.peer.port");
        is(&span.attributes, "client.address", Some(text("127.0.0.1")))
            && is(&span.attributes, "network.peer.address", Some(text("127.0.0.1")))
            && port.is_some_and(|port| port.starts_with("Int("))
    });
    of("`user_agent.original`, where the client says one", |sent, span| {
        let agent = sent.ask.headers.strip_prefix("user-agent: ").map(|agent| text(agent.trim_end()));
        is(&span.attributes, "user_agent.original", agent)
    });
    of("not `url.full`, `network.protocol.name` or a name of older conventions", |_, span| {
        let not = [
            "url.full",
            "network.protocol.name",
            "http.url",
            "http.target",
            "http.method",
            "http.status_code",
        ];
        not.iter().all(|name| !span.attributes.contains_key(*name))
    });
    of("headers: none unless somebody asks for them", |_, span| {
        span.attributes.keys().all(|name| !name.starts_with("http.request.header."))
    });
    of("an untrusted caller's trace is linked to, and is no parent", |sent, span| {
        let linked = sent.ask.headers.starts_with("traceparent").then(|| CALLER.map(str::to_owned));
        span.links == Vec::from_iter(linked) && span.said("Parent ID").is_empty()
    });
    let dropped = all().filter(|(sent, _)| sent.ask.stays == Stays::ForTheHead && sent.status() == Some(200));
    table.each("a connection that was dropped: `200`, and `error.type` besides", dropped, |(_, span)| {
        is(&span.attributes, "http.response.status_code", Some(int(200)))
            && is(&span.attributes, "error.type", Some(text("cancelled")))
    });
    let ids: BTreeSet<_> = all().map(|(_, span)| [span.said("Trace ID"), span.said("ID")]).collect();
    let valid = ids.iter().filter(|[trace, span]| trace.len() == 32 && span.len() == 16).count();
    let holds = valid > 0 && valid == spans.len();
    table.row("traces and spans with ids of their own", valid, spans.len(), holds);
}
