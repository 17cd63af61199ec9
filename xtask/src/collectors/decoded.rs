//! What a collector has decoded, read from what it prints of that.

use std::collections::BTreeMap;

/// Values as they are printed, with their types: `Str(GET)`, `Int(200)`.
pub(super) type Attributes = BTreeMap<String, String>;

/// All that was printed, in its order.
#[derive(Debug, Default)]
pub(super) struct Decoded {
    pub(super) resources: Vec<Attributes>,
    pub(super) metrics: Vec<Metric>,
    pub(super) spans: Vec<Span>,
    pub(super) records: Vec<Record>,
}

/// One metric of one export.
#[derive(Clone, Debug, Default)]
pub(super) struct Metric {
    /// `Name`, `Unit`, `DataType`, `IsMonotonic` and `AggregationTemporality`.
    said: BTreeMap<String, String>,
    pub(super) points: Vec<Point>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Point {
    pub(super) attributes: Attributes,
    pub(super) bounds: Vec<f64>,
    pub(super) buckets: Vec<u64>,
    /// Each with its `Trace ID`, `Span ID` and `Value`.
    pub(super) exemplars: Vec<BTreeMap<String, String>>,
    said: BTreeMap<String, String>,
}

#[derive(Debug, Default)]
pub(super) struct Span {
    /// `Name`, `Kind`, `Trace ID` and so on.
    said: BTreeMap<String, String>,
    pub(super) attributes: Attributes,
    /// The trace and the span of each.
    pub(super) links: Vec<[String; 2]>,
}

#[derive(Debug, Default)]
pub(super) struct Record {
    pub(super) scope: String,
    said: BTreeMap<String, String>,
    pub(super) attributes: Attributes,
}

impl Metric {
    pub(super) fn said(&self, what: &str) -> &str {
        said(&self.said, what)
    }
}

impl Point {
    pub(super) fn said(&self, what: &str) -> &str {
        said(&self.said, what)
    }

    /// A figure, which is not there only where the protocol says nothing of it.
    pub(super) fn number(&self, what: &str) -> f64 {
        self.said(what).parse().unwrap_or(f64::NAN)
    }
}

impl Span {
    pub(super) fn said(&self, what: &str) -> &str {
        said(&self.said, what)
    }

    /// From its start to its end, in seconds.
    pub(super) fn seconds(&self) -> f64 {
        let nanos = |what| self.said(what).parse::<u64>().unwrap_or_default();
        nanos("End time").saturating_sub(nanos("Start time")) as f64 / 1e9
    }
}

impl Record {
    pub(super) fn said(&self, what: &str) -> &str {
        said(&self.said, what)
    }
}

/// Empty where it was not said.
fn said<'a>(all: &'a BTreeMap<String, String>, what: &str) -> &'a str {
    all.get(what).map_or("", String::as_str)
}

impl Decoded {
    /// Of rotel's detailed debug log, which has the form of the OpenTelemetry Collector's. Lines that are neither, as those of its own
    /// log, say nothing.
    pub(super) fn parse(text: &str) -> Self {
        let mut all = Self::default();
        let mut place = Place::default();
        let mut lines = text.lines();
        while let Some(line) = lines.next() {
            let mut line = line.to_owned();
            // A text may have several lines.
            while line.contains(": Str(") && !line.ends_with(')') {
                let Some(more) = lines.next() else { break };
                line = [&line, "\n", more].concat();
            }
            all.read(&line, &mut place);
        }
        all
    }

    fn read(&mut self, line: &str, place: &mut Place) {
        if let Some(pair) = line.strip_prefix("     -> ") {
            let (name, value) = pair.split_once(": ").unwrap_or((pair.trim_end_matches(':'), ""));
            self.pair(name, value, place);
        } else if let Some(scope) = line.strip_prefix("InstrumentationScope ") {
            scope.split(' ').next().unwrap_or_default().clone_into(&mut place.scope);
        } else if let Some((kind, _)) = line.split_once(" #").filter(|(kind, _)| !kind.contains(' ')) {
            self.begin(kind, line, place);
        } else {
            match line {
                "Resource attributes:" => place.section = Section::Resource,
                "Descriptor:" => {
                    self.metrics.push(Metric::default());
                    (place.thing, place.section) = (Thing::Metric, Section::Descriptor);
                }
                "Attributes:" | "Data point attributes:" => place.section = Section::Attributes,
                _ => {
                    if let (Some((name, value)), Some(said)) = (line.split_once(':'), self.said(place)) {
                        said.insert(name.trim().to_owned(), value.trim().to_owned());
                    }
                }
            }
        }
    }

    /// A thing of which there are several, each with its number.
    fn begin(&mut self, kind: &str, line: &str, place: &mut Place) {
        place.section = Section::None;
        match kind {
            "ResourceMetrics" | "ResourceSpans" | "ResourceLog" => {
                self.resources.push(Attributes::new());
                place.thing = Thing::None;
            }
            "Span" => {
                self.spans.push(Span::default());
                place.thing = Thing::Span;
            }
            "LogRecord" => {
                self.records.push(Record { scope: place.scope.clone(), ..Record::default() });
                place.thing = Thing::Record;
            }
            "NumberDataPoints" | "HistogramDataPoints" => {
                if let Some(metric) = self.metrics.last_mut() {
                    metric.points.push(Point::default());
                }
                place.thing = Thing::Point;
            }
            "SpanLink" => {
                if let Some(span) = self.spans.last_mut() {
                    span.links.push(Default::default());
                }
                place.section = Section::Link;
            }
            "Exemplar" => {
                if let Some(point) = self.metrics.last_mut().and_then(|metric| metric.points.last_mut()) {
                    point.exemplars.push(BTreeMap::new());
                }
                place.section = Section::Exemplar;
            }
            "ExplicitBounds" | "Buckets" => {
                let number = line.rsplit(": ").next().unwrap_or_default();
                if let Some(point) = self.metrics.last_mut().and_then(|metric| metric.points.last_mut()) {
                    point.bounds.extend(number.parse::<f64>().ok().filter(|_| kind == "ExplicitBounds"));
                    point.buckets.extend(number.parse::<u64>().ok().filter(|_| kind == "Buckets"));
                }
            }
            _ => {}
        }
    }

    /// A line of a list.
    fn pair(&mut self, name: &str, value: &str, place: &Place) {
        let to = match (place.section, place.thing) {
            (Section::Resource, _) => self.resources.last_mut(),
            (Section::Descriptor, _) => self.metrics.last_mut().map(|metric| &mut metric.said),
            (Section::Attributes, Thing::Span) => self.spans.last_mut().map(|span| &mut span.attributes),
            (Section::Attributes, Thing::Record) => {
                self.records.last_mut().map(|record| &mut record.attributes)
            }
            (Section::Attributes, Thing::Point) => {
                let point = self.metrics.last_mut().and_then(|metric| metric.points.last_mut());
                point.map(|point| &mut point.attributes)
            }
            (Section::Exemplar, _) => {
                let point = self.metrics.last_mut().and_then(|metric| metric.points.last_mut());
                point.and_then(|point| point.exemplars.last_mut())
            }
            (Section::Link, _) => {
                let link = self.spans.last_mut().and_then(|span| span.links.last_mut());
                match (link, name) {
                    (Some([trace, _]), "Trace ID") => value.clone_into(trace),
                    (Some([_, span]), "ID") => value.clone_into(span),
                    _ => {}
                }
                None
            }
            _ => None,
        };
        if let Some(to) = to {
            to.insert(name.to_owned(), value.to_owned());
        }
    }

    /// Where a line with a colon belongs.
    fn said(&mut self, place: &Place) -> Option<&mut BTreeMap<String, String>> {
        match place.thing {
            Thing::None | Thing::Metric => None,
            Thing::Point => Some(&mut self.metrics.last_mut()?.points.last_mut()?.said),
            Thing::Span => Some(&mut self.spans.last_mut()?.said),
            Thing::Record => Some(&mut self.records.last_mut()?.said),
        }
    }

    /// A metric, as it was told last.
    pub(super) fn last(&self, name: &str) -> Option<&Metric> {
        self.metrics.iter().rev().find(|metric| metric.said("Name") == name)
    }
}

/// Of what the lines are.
#[derive(Default)]
struct Place {
    thing: Thing,
    section: Section,
    scope: String,
}

#[derive(Clone, Copy, Default)]
enum Thing {
    #[default]
    None,
    Metric,
    Point,
    Span,
    Record,
}

#[derive(Clone, Copy, Default)]
enum Section {
    #[default]
    None,
    Resource,
    Descriptor,
    Attributes,
    Link,
    Exemplar,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_has_what_stands_below_it_and_nothing_of_the_next_one() {
        let all = Decoded::parse(
            "\
ResourceSpans #0
Resource SchemaURL: 
Resource attributes:
     -> service.name: Str(orders)
ScopeSpans #0
ScopeSpans SchemaURL: 
InstrumentationScope macadam 
Span #0
    Trace ID       : 01
    Parent ID      : 
    Name           : GET /io
    Kind           : SPAN_KIND_SERVER
Start time: 1000000000000000000
End time: 1000000000005000000
    Status code    : STATUS_CODE_ERROR
    Status message : 
Attributes:
     -> url.query: Str(a: b
c)
     -> http.response.status_code: Int(200)
Links:
SpanLink #0
     -> Trace ID: 07
     -> ID: 08
     -> TraceState: 
Span #1
    Name           : HTTP
",
        );
        assert_eq!(all.resources[0]["service.name"], "Str(orders)");
        let [span, other] = &all.spans[..] else { panic!("{all:?}") };
        assert_eq!((span.said("Name"), span.said("Status message")), ("GET /io", ""));
        assert_eq!(span.said("Status code"), "STATUS_CODE_ERROR");
        assert_eq!(span.attributes["url.query"], "Str(a: b\nc)");
        assert_eq!(span.attributes["http.response.status_code"], "Int(200)");
        assert_eq!(span.links, [["07".to_owned(), "08".to_owned()]]);
        assert!((span.seconds() - 0.005).abs() < 1e-9);
        assert_eq!((other.said("Name"), other.said("Status code")), ("HTTP", ""));
        assert!(other.attributes.is_empty() && other.links.is_empty());
    }

    #[test]
    fn a_metric_has_its_points_and_each_of_them_its_own() {
        let all = Decoded::parse(
            "\
Metric #0
Descriptor:
     -> Name: http.server.request.duration
     -> Unit: s
     -> DataType: Histogram
     -> AggregationTemporality: AGGREGATION_TEMPORALITY_CUMULATIVE
HistogramDataPoints #0
Data point attributes:
     -> url.scheme: Str(http)
StartTimestamp: 1
Timestamp: 2
Count: 3
Sum: 0.5
ExplicitBounds #0: 0.005
ExplicitBounds #1: 0.01
Buckets #0, Count: 1
Buckets #1, Count: 0
Buckets #2, Count: 2
Exemplars:
Exemplar #0
     -> Trace ID: 01
     -> Span ID: 02
     -> Timestamp: 3
     -> Value: 0.25
Metric #1
Descriptor:
     -> Name: process.uptime
     -> DataType: Gauge
NumberDataPoints #0
Value: 7
2026-11-23T13:12:59Z  INFO Shutdown signal received.
",
        );
        let duration = all.last("http.server.request.duration").unwrap();
        assert_eq!((duration.said("Unit"), duration.said("DataType")), ("s", "Histogram"));
        assert_eq!(duration.points[0].attributes["url.scheme"], "Str(http)");
        assert_eq!(duration.points[0].bounds, [0.005, 0.01]);
        assert_eq!(duration.points[0].buckets, [1, 0, 2]);
        assert_eq!(duration.points[0].said("Count"), "3");
        let [exemplar] = &duration.points[0].exemplars[..] else { panic!("{duration:?}") };
        assert_eq!(
            (&*exemplar["Trace ID"], &*exemplar["Span ID"], &*exemplar["Value"]),
            ("01", "02", "0.25")
        );
        let uptime = all.last("process.uptime").unwrap();
        assert!(uptime.points[0].attributes.is_empty());
        assert_eq!(uptime.points[0].said("Value"), "7");
        assert!(all.last("process.cpu.time").is_none());
    }

    #[test]
    fn a_record_has_the_scope_that_it_stands_in_and_the_ids_of_its_span() {
        let all = Decoded::parse(
            "\
ScopeLogs #0
InstrumentationScope macadam::access 
LogRecord #0
SeverityText: INFO
SeverityNumber: SEVERITY_NUMBER_INFO(9)
Body: Str(two
lines)
Attributes:
     -> macadam.outcome: Str(finished)
    Trace ID       : 01
    Span ID        : 02
Flags: 1
",
        );
        let record = &all.records[0];
        assert_eq!((&*record.scope, record.said("Body")), ("macadam::access", "Str(two\nlines)"));
        assert_eq!((record.said("Trace ID"), record.said("Span ID")), ("01", "02"));
        assert_eq!(record.attributes["macadam.outcome"], "Str(finished)");
    }
}
