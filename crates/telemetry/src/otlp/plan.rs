//! What the environment says of where to send telemetry, and when.

use std::{str::FromStr, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use percent_encoding::percent_decode_str;

use super::{error::OtlpError, signal::Signal};

/// What is exported, by the environment variables of OpenTelemetry's specification. A signal that is not, is `None`.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) metrics: Option<Metrics>,
    pub(crate) traces: Option<Batches>,
    pub(crate) logs: Option<Batches>,
}

/// Where the requests of one signal go.
#[derive(Clone, Debug)]
pub(crate) struct Target {
    pub(crate) signal: Signal,
    pub(crate) url: Uri,
    pub(crate) headers: HeaderMap,
    /// From a request's beginning to the end of its answer.
    pub(crate) timeout: Duration,
}

impl Target {
    /// Where the collector listens. Neither the whole URL nor its authority: there may be a password in them.
    pub(crate) fn collector(&self) -> String {
        let host = self.url.host().unwrap_or_default();
        format!("{host}:{}", self.url.port_u16().unwrap_or(80))
    }
}

/// Metrics are read and sent in turns.
#[derive(Debug)]
pub(crate) struct Metrics {
    pub(crate) target: Target,
    /// From one reading to the next.
    pub(crate) interval: Duration,
    /// From a reading until it is given up.
    pub(crate) patience: Duration,
}

/// Spans and log records wait in a queue, and are sent many at a time.
#[derive(Debug)]
pub(crate) struct Batches {
    pub(crate) target: Target,
    /// How many may wait.
    pub(crate) queue: usize,
    /// How many are sent at a time.
    pub(crate) batch: usize,
    /// How long one waits for others, at most.
    pub(crate) delay: Duration,
    /// From the first attempt to send a batch until it is given up.
    pub(crate) patience: Duration,
}

impl Plan {
    /// None where nothing is to be exported: no endpoint is named, or the environment turns everything off.
    pub(crate) fn read(variable: impl Fn(&str) -> Option<String>) -> Result<Option<Self>, OtlpError> {
        let environment = Environment(&variable);
        match environment.text("OTEL_SDK_DISABLED").map(|text| text.to_ascii_lowercase()).as_deref() {
            None | Some("false") => {}
            Some("true") => return Ok(None),
            Some(other) => {
                let problem = format!("is {other:?}");
                return Err(OtlpError::variable("OTEL_SDK_DISABLED", problem, "set it to `true` or `false`"));
            }
        }
        let metrics = environment.target(Signal::Metrics)?;
        let traces = environment.target(Signal::Traces)?;
        let logs = environment.target(Signal::Logs)?;
        if metrics.is_none() && traces.is_none() && logs.is_none() {
            return Ok(None);
        }
        if traces.is_some() {
            environment.propagates_what_we_do()?;
        }
        let millis = |name, default| environment.millis(name, default);
        let metrics = metrics.map(|target| {
            Ok(Metrics {
                target,
                interval: millis("OTEL_METRIC_EXPORT_INTERVAL", 60_000)?,
                patience: millis("OTEL_METRIC_EXPORT_TIMEOUT", 30_000)?,
            })
        });
        let traces = traces.map(|target| environment.batches(target, "OTEL_BSP", 5_000));
        let logs = logs.map(|target| environment.batches(target, "OTEL_BLRP", 1_000));
        Ok(Some(Self { metrics: metrics.transpose()?, traces: traces.transpose()?, logs: logs.transpose()? }))
    }

    /// Where what is exported goes.
    pub(crate) fn targets(&self) -> impl Iterator<Item = &Target> {
        let batches = [&self.traces, &self.logs].into_iter().flatten().map(|batches| &batches.target);
        self.metrics.iter().map(|metrics| &metrics.target).chain(batches)
    }

    /// Whether a signal is exported.
    pub(crate) fn has(&self, signal: Signal) -> bool {
        match signal {
            Signal::Metrics => self.metrics.is_some(),
            Signal::Traces => self.traces.is_some(),
            Signal::Logs => self.logs.is_some(),
        }
    }
}

struct Environment<F>(F);

impl<F: Fn(&str) -> Option<String>> Environment<F> {
    /// What is empty counts as not set, as the specification says.
    fn text(&self, name: &str) -> Option<String> {
        (self.0)(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
    }

    /// What a signal's own variable says, or else that of all, with the name of the one that said it.
    fn of(&self, signal: Signal, name: &str) -> Option<(String, String)> {
        let own = format!("OTEL_EXPORTER_OTLP_{}_{name}", signal.capitals());
        let all = format!("OTEL_EXPORTER_OTLP_{name}");
        [own, all].into_iter().find_map(|name| Some((self.text(&name)?, name)))
    }

    /// Where a signal goes; nowhere unless there is an endpoint, and an exporter that is not another one.
    fn target(&self, signal: Signal) -> Result<Option<Target>, OtlpError> {
        let exporter = format!("OTEL_{}_EXPORTER", signal.capitals());
        if let Some(list) = self.text(&exporter) {
            let mut exporters = list.split(',').map(str::trim);
            // Prometheus scrapes what there is, whatever is exported besides.
            if let Some(other) = exporters.clone().find(|name| !["otlp", "none", "prometheus"].contains(name))
            {
                let problem = format!("asks for {other:?}, which this build does not have");
                return Err(OtlpError::variable(exporter, problem, "set it to `otlp` or `none`"));
            }
            if exporters.all(|name| name != "otlp") {
                return Ok(None);
            }
        }
        let Some((endpoint, variable)) = self.of(signal, "ENDPOINT") else { return Ok(None) };
        let url = if variable == ENDPOINT {
            format!("{}/{}", endpoint.trim_end_matches('/'), signal.path())
        } else {
            endpoint
        };
        let url = url_of(&url, &variable)?;
        if let Some((protocol, variable)) = self.of(signal, "PROTOCOL").filter(|(said, _)| said != PROTOCOL) {
            let cure = "set it to `http/protobuf`, and the endpoint to the port where the collector takes that, which is mostly 4318";
            return Err(OtlpError::variable(
                variable,
                format!("is {protocol:?}, which this build does not speak"),
                cure,
            ));
        }
        if let Some((_, variable)) = self.of(signal, "COMPRESSION").filter(|(said, _)| said != "none") {
            return Err(OtlpError::variable(
                variable,
                "asks for compression, which this build does not do",
                "leave it out",
            ));
        }
        let headers = self.of(signal, "HEADERS").map(|(said, variable)| headers_of(&said, &variable));
        let own = format!("OTEL_EXPORTER_OTLP_{}_TIMEOUT", signal.capitals());
        let all = self.millis("OTEL_EXPORTER_OTLP_TIMEOUT", 10_000)?;
        let timeout = self.number(&own, TIME)?.map_or(all, Duration::from_millis);
        Ok(Some(Target { signal, url, headers: headers.transpose()?.unwrap_or_default(), timeout }))
    }

    fn batches(&self, target: Target, prefix: &str, delay: u64) -> Result<Batches, OtlpError> {
        let count = |name: &str, default| {
            let number = self.number(&format!("{prefix}_{name}"), COUNT)?;
            Ok(number.map_or(default, |number| usize::try_from(number).unwrap_or(usize::MAX).min(MOST)))
        };
        let queue = count("MAX_QUEUE_SIZE", 2_048)?;
        Ok(Batches {
            target,
            queue,
            batch: count("MAX_EXPORT_BATCH_SIZE", 512)?.min(queue),
            delay: self.millis(&format!("{prefix}_SCHEDULE_DELAY"), delay)?,
            patience: self.millis(&format!("{prefix}_EXPORT_TIMEOUT"), 30_000)?,
        })
    }

    /// What is told to the next hop, and believed of a caller, is W3C Trace Context, and nothing else.
    fn propagates_what_we_do(&self) -> Result<(), OtlpError> {
        let Some(list) = self.text("OTEL_PROPAGATORS") else { return Ok(()) };
        if list.split(',').any(|name| name.trim() == "tracecontext") {
            return Ok(());
        }
        let problem = format!("is {list:?}, without `tracecontext`, which is what this build speaks");
        Err(OtlpError::variable("OTEL_PROPAGATORS", problem, "add that, or leave the variable out"))
    }

    fn millis(&self, name: &str, default: u64) -> Result<Duration, OtlpError> {
        Ok(Duration::from_millis(self.number(name, TIME)?.unwrap_or(default)))
    }

    fn number(&self, name: &str, what: &str) -> Result<Option<u64>, OtlpError> {
        let Some(text) = self.text(name) else { return Ok(None) };
        match u64::from_str(&text) {
            Ok(number @ 1..) => Ok(Some(number)),
            _ => Err(OtlpError::variable(
                name,
                format!("is {text:?}"),
                format!("set it to {what}, 1 at the least"),
            )),
        }
    }
}

/// Not told of what is wrong: there may be a password in it.
fn url_of(text: &str, variable: &str) -> Result<Uri, OtlpError> {
    let fault = |problem: &str, cure: &str| OtlpError::variable(variable, problem, cure);
    let url = Uri::from_str(text).ok().filter(|url| url.host().is_some());
    let url = url.ok_or_else(|| fault("is no URL", "set it to one such as `http://localhost:4318`"))?;
    match url.scheme_str() {
        Some("http") => Ok(url),
        Some("https") => Err(fault(
            "asks for TLS, which this build does not speak",
            "send to a collector or an agent nearby by `http://`, and let that one send on",
        )),
        _ => {
            Err(fault("is of a scheme that is not `http`", "set it to a URL such as `http://localhost:4318`"))
        }
    }
}

/// `name=value,name=value`, the values as in a URL. Values are secrets, so a fault does not tell them.
fn headers_of(text: &str, variable: &str) -> Result<HeaderMap, OtlpError> {
    let pair = |text: &str| {
        let (name, value) = text.split_once('=')?;
        let value: Vec<u8> = percent_decode_str(value.trim()).collect();
        let mut value = HeaderValue::from_bytes(&value).ok()?;
        value.set_sensitive(true);
        Some((HeaderName::from_str(name.trim()).ok()?, value))
    };
    let pairs = text.split(',').enumerate().filter(|(_, text)| !text.trim().is_empty());
    let pairs = pairs.map(|(at, text)| {
        let fault = || {
            OtlpError::variable(
                variable,
                format!("is malformed in part {}", at + 1),
                "write `name=value,name=value`, what is no letter or digit in a value as `%20`",
            )
        };
        pair(text).ok_or_else(fault)
    });
    pairs.collect()
}

const ENDPOINT: &str = "OTEL_EXPORTER_OTLP_ENDPOINT";
const PROTOCOL: &str = "http/protobuf";
const TIME: &str = "a whole number of milliseconds";
const COUNT: &str = "a whole number";
/// Of spans or records: the queue takes its memory at once.
const MOST: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(environment: &[(&str, &str)]) -> Result<Option<Plan>, OtlpError> {
        Plan::read(|name| {
            environment.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        })
    }

    fn of(environment: &[(&str, &str)]) -> Plan {
        plan(environment).unwrap().unwrap()
    }

    fn error(environment: &[(&str, &str)]) -> String {
        plan(environment).unwrap_err().to_string()
    }

    const HERE: (&str, &str) = (ENDPOINT, "http://localhost:4318");

    #[test]
    fn nothing_is_exported_unless_an_endpoint_is_named() {
        assert!(plan(&[]).unwrap().is_none());
        assert!(plan(&[(ENDPOINT, "")]).unwrap().is_none());
        assert!(plan(&[HERE, ("OTEL_SDK_DISABLED", "TRUE")]).unwrap().is_none());
        // Whatever else is wrong is nobody's matter then.
        assert!(plan(&[("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]).unwrap().is_none());
    }

    #[test]
    fn the_endpoint_of_all_gets_a_path_and_that_of_one_is_taken_as_it_is() {
        let url = |plan: &Plan| plan.metrics.as_ref().map(|metrics| metrics.target.url.to_string());
        assert_eq!(url(&of(&[HERE])).unwrap(), "http://localhost:4318/v1/metrics");
        let deep = of(&[(ENDPOINT, "http://here:1/deep/")]);
        assert_eq!(url(&deep).unwrap(), "http://here:1/deep/v1/metrics");
        assert_eq!(deep.traces.unwrap().target.url, "http://here:1/deep/v1/traces");
        assert_eq!(deep.logs.unwrap().target.url, "http://here:1/deep/v1/logs");
        let one = of(&[("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "http://there:2")]);
        assert_eq!(url(&one).unwrap(), "http://there:2/");
        assert!(one.traces.is_none() && one.logs.is_none());
    }

    #[test]
    fn a_signal_with_another_exporter_is_left_out() {
        let plan = of(&[HERE, ("OTEL_LOGS_EXPORTER", "none"), ("OTEL_METRICS_EXPORTER", "prometheus, otlp")]);
        assert!(plan.logs.is_none() && plan.metrics.is_some() && plan.traces.is_some());
    }

    #[test]
    fn what_is_asked_for_and_not_there_is_an_error_that_names_it() {
        for (name, value, cure) in [
            ("OTEL_SDK_DISABLED", "yes", "set it to `true` or `false`"),
            ("OTEL_TRACES_EXPORTER", "otlp,zipkin", "asks for \"zipkin\""),
            ("OTEL_PROPAGATORS", "b3", "add that, or leave the variable out"),
        ] {
            let error = error(&[HERE, (name, value)]);
            assert!(error.starts_with(&format!("`{name}` ")) && error.contains(cure), "{error}");
        }
        assert!(plan(&[HERE, ("OTEL_PROPAGATORS", "baggage, tracecontext")]).is_ok());
        // Of no account where no traces are exported.
        assert!(plan(&[HERE, ("OTEL_PROPAGATORS", "b3"), ("OTEL_TRACES_EXPORTER", "none")]).is_ok());
    }

    #[test]
    fn the_numbers_are_those_of_the_specification_unless_a_variable_says_otherwise() {
        let plan = of(&[HERE]);
        let (metrics, traces, logs) = (plan.metrics.unwrap(), plan.traces.unwrap(), plan.logs.unwrap());
        assert_eq!(metrics.interval, Duration::from_secs(60));
        assert_eq!(metrics.target.timeout, Duration::from_secs(10));
        assert_eq!((traces.queue, traces.batch, traces.delay), (2048, 512, Duration::from_secs(5)));
        assert_eq!((logs.queue, logs.batch, logs.delay), (2048, 512, Duration::from_secs(1)));
        assert_eq!(traces.patience, Duration::from_secs(30));
        let traces = of(&[
            HERE,
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "1"),
            ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "2"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "100"),
        ]);
        assert_eq!(traces.logs.unwrap().target.timeout, Duration::from_millis(1));
        let traces = traces.traces.unwrap();
        assert_eq!(traces.target.timeout, Duration::from_millis(2));
        assert_eq!((traces.queue, traces.batch), (100, 100), "a batch is no longer than the queue");
    }

    #[test]
    fn headers_are_read_as_in_a_url_and_are_not_shown() {
        let headers = |said| of(&[HERE, ("OTEL_EXPORTER_OTLP_HEADERS", said)]).logs.unwrap().target.headers;
        let read = headers("Authorization=Basic%20c2VjcmV0, x-tenant = a%2Cb ,");
        assert_eq!(read["authorization"], "Basic c2VjcmV0");
        assert_eq!(read["x-tenant"], "a,b");
        assert!(!format!("{read:?}").contains("c2VjcmV0"));
        let error = error(&[HERE, ("OTEL_EXPORTER_OTLP_HEADERS", "a=b,sesame")]);
        assert!(error.starts_with("`OTEL_EXPORTER_OTLP_HEADERS` is malformed in part 2; "), "{error}");
        assert!(!error.contains("sesame"));
    }

    #[test]
    fn what_this_build_does_not_do_is_one_sentence_with_the_variable_and_the_cure() {
        for (variable, value, says) in [
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "4318"),
            ("OTEL_EXPORTER_OTLP_LOGS_PROTOCOL", "http/json", "set it to `http/protobuf`"),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://user:sesame@there", "nearby by `http://`"),
            ("OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", "localhost:4318", "such as `http://localhost:4318`"),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip", "leave it out"),
            ("OTEL_METRIC_EXPORT_INTERVAL", "60s", "milliseconds, 1 at the least"),
            ("OTEL_BLRP_MAX_QUEUE_SIZE", "0", "1 at the least"),
        ] {
            let error = error(&[HERE, (variable, value)]);
            assert!(error.starts_with(&format!("`{variable}` ")) && error.contains(says), "{error}");
            assert!(!error.contains("sesame"), "{error}");
        }
    }
}
