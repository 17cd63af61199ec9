//! Log records.

use super::{Spans, int, is, text};
use crate::collectors::decoded::{Decoded, Record};
use crate::collectors::load::{SECRET, Sent};
use crate::collectors::table::Table;

pub(super) fn check(table: &mut Table, decoded: &Decoded, sent: &[Sent], spans: &Spans<'_>) {
    let access = || decoded.records.iter().filter(|record| record.scope == "macadam::access");
    // A line for each that is shed would be an overload of its own: they are counted, and said once in a while.
    let logged = || spans.values().filter(|(sent, _)| !sent.is_shed());
    let must = sent.iter().filter(|sent| sent.is_told() && !sent.is_shed()).count();
    let count = access().count();
    table.row("access records: of each request but what was shed", count, must, count == must);
    table.each("each has the ids of its request's span, and how it ended", logged(), |(sent, span)| {
        let mut of_span = access().filter(|record| record.said("Span ID") == span.said("ID"));
        let ends = of_span.next().is_some_and(|record| {
            record.said("Trace ID") == span.said("Trace ID")
                && is(&record.attributes, "http.response.status_code", sent.status().map(int))
                && is(&record.attributes, "error.type", sent.error().map(text))
        });
        ends && of_span.next().is_none()
    });
    table.each("`SeverityNumber` and `SeverityText` of all records fit", &decoded.records, |record| {
        let number = record.said("SeverityNumber");
        let known = ["TRACE(1)", "DEBUG(5)", "INFO(9)", "WARN(13)", "ERROR(17)"];
        known.iter().any(|known| {
            number == format!("SEVERITY_NUMBER_{known}")
                && known.split('(').next() == Some(record.said("SeverityText"))
        })
    });
    let panics = spans.values().filter(|(sent, _)| sent.error() == Some("panic"));
    table.each("what is logged inside a request has its ids", panics, |(_, span)| {
        let inside =
            |record: &&Record| record.scope != "macadam::access" && record.said("Span ID") == span.said("ID");
        decoded.records.iter().any(|record| inside(&record))
    });
    table.each("no record has what is secret in a query", &decoded.records, |record| {
        let mut texts = record.attributes.values().map(String::as_str).chain([record.said("Body")]);
        !texts.any(|text| text.contains(SECRET))
    });
}
