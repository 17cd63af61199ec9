//! What tells one series of the metrics from another: a handful of small codes, none of them a peer's to choose.

use http::{Method, StatusCode, Version, uri};
use macadam_core::{Outcome, Route, Wire};

/// The attributes of a request, as OpenTelemetry's HTTP conventions name them, in one word that is never 0.
///
/// From its upper end: always 1; the route's number from 1 on, or 0; the status, or 0; the version; the scheme; the
/// [error](ErrorType), from 1 on, or 0; the method.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Labels(u64);

/// The scheme by which clients reach the service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scheme {
    /// `http`
    #[default]
    Http,
    /// `https`
    Https,
}

/// Why a request counts as failed: `error.type` in metrics.
///
/// A 4xx is the client's and no error of the service's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorType {
    /// `timeout`: its deadline passed, or its client did not send it in time.
    Timeout,
    /// `cancelled`: the client went away first.
    Cancelled,
    /// `shed`: it was refused for load.
    Shed,
    /// `panic`: the handler or its body panicked.
    Panic,
    /// `shutdown`: the shutdown ran out of time for it.
    Shutdown,
    /// `service`: the service, or the body it returned, failed with an error.
    Service,
    /// The status itself, such as `500`: the service answered so.
    Status,
}

impl Labels {
    /// Those known at the start. A request says its scheme itself in HTTP/2; in HTTP/1 it is `scheme`.
    #[inline]
    pub(crate) fn of(wire: &Wire, said: Option<&uri::Scheme>, scheme: Scheme) -> Self {
        let scheme = match said {
            Some(said) if *said == uri::Scheme::HTTPS => Scheme::Https,
            Some(said) if *said == uri::Scheme::HTTP => Scheme::Http,
            _ => scheme,
        };
        Self(
            (1 << 63)
                | (version(wire.version()) << VERSION)
                | ((scheme as u64) << SCHEME)
                | method(wire.method()),
        )
    }

    /// The same of another route and status.
    #[inline]
    pub(crate) fn answered(self, route: Option<Route>, status: Option<StatusCode>) -> Self {
        let route = route.map_or(0, |route| route.index() as u64 + 1);
        let status = status.map_or(0, |status| u64::from(status.as_u16()));
        Self((self.0 & !(ROUTES | STATUSES)) | (route << ROUTE) | (status << STATUS))
    }

    /// The same of another error.
    #[inline]
    pub(crate) fn failed(self, error: Option<ErrorType>) -> Self {
        let error = error.map_or(0, |error| error as u64 + 1);
        Self((self.0 & !ERRORS) | (error << ERROR))
    }

    #[inline]
    pub(crate) fn key(self) -> u64 {
        self.0
    }

    /// Of those that have no status, 0.
    pub(crate) fn status(self) -> u64 {
        (self.0 & STATUSES) >> STATUS
    }

    /// `error.type`.
    pub(crate) fn error(self) -> Option<String> {
        let code = ((self.0 & ERRORS) >> ERROR) as usize;
        let error = ErrorType::ALL.get(code.checked_sub(1)?)?;
        Some(error.as_str().map_or_else(|| self.status().to_string(), str::to_owned))
    }

    /// `http.request.method`.
    pub(crate) fn method(self) -> &'static str {
        METHODS[self.method_code()]
    }

    /// The place of the method in [`METHODS`].
    #[inline]
    pub(crate) fn method_code(self) -> usize {
        (self.0 & ((1 << ERROR) - 1)) as usize
    }

    /// `url.scheme`.
    #[inline]
    pub(crate) fn scheme(self) -> Scheme {
        if self.0 & (1 << SCHEME) == 0 { Scheme::Http } else { Scheme::Https }
    }

    /// `network.protocol.version`.
    pub(crate) fn version(self) -> &'static str {
        VERSIONS[((self.0 >> VERSION) & 7) as usize]
    }
}

// Where each begins, from the lower end; the method at 0.
const ERROR: u32 = 4;
const SCHEME: u32 = 8;
const VERSION: u32 = 9;
const STATUS: u32 = 12;
const ROUTE: u32 = 22;
const ERRORS: u64 = (1 << SCHEME) - (1 << ERROR);
const STATUSES: u64 = (1 << ROUTE) - (1 << STATUS);
const ROUTES: u64 = (1 << 63) - (1 << ROUTE);

impl ErrorType {
    /// Every one.
    pub const ALL: [Self; 7] = [
        Self::Timeout,
        Self::Cancelled,
        Self::Shed,
        Self::Panic,
        Self::Shutdown,
        Self::Service,
        Self::Status,
    ];

    /// Why a request that ended so, with this answer, is an error; none where it is not.
    pub(crate) fn of(outcome: Outcome, status: Option<StatusCode>) -> Option<Self> {
        match outcome {
            Outcome::TimedOut => Some(Self::Timeout),
            Outcome::Cancelled => Some(Self::Cancelled),
            Outcome::Shed => Some(Self::Shed),
            Outcome::Panicked => Some(Self::Panic),
            Outcome::CutByShutdown => Some(Self::Shutdown),
            Outcome::Failed => Some(Self::Service),
            _ => status.is_some_and(|status| status.is_server_error()).then_some(Self::Status),
        }
    }

    /// The word for it, but for [`Status`](Self::Status), whose word is the status itself.
    pub fn as_str(self) -> Option<&'static str> {
        match self {
            Self::Timeout => Some("timeout"),
            Self::Cancelled => Some("cancelled"),
            Self::Shed => Some("shed"),
            Self::Panic => Some("panic"),
            Self::Shutdown => Some("shutdown"),
            Self::Service => Some("service"),
            Self::Status => None,
        }
    }
}

impl Scheme {
    /// `http` or `https`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Https => "https",
        }
    }
}

/// Those that HTTP knows; the first stands for all that peers make up.
pub(crate) const METHODS: [&str; 11] =
    ["_OTHER", "GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT", "TRACE", "QUERY"];

#[inline]
fn method(method: &Method) -> u64 {
    match *method {
        Method::GET => 1,
        Method::HEAD => 2,
        Method::POST => 3,
        Method::PUT => 4,
        Method::PATCH => 5,
        Method::DELETE => 6,
        Method::OPTIONS => 7,
        Method::CONNECT => 8,
        Method::TRACE => 9,
        Method::QUERY => 10,
        _ => 0,
    }
}

const VERSIONS: [&str; 5] = ["0.9", "1.0", "1.1", "2", "3"];

#[inline]
fn version(version: Version) -> u64 {
    match version {
        Version::HTTP_09 => 0,
        Version::HTTP_10 => 1,
        Version::HTTP_2 => 3,
        Version::HTTP_3 => 4,
        _ => 2,
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn labels(method: &str, version: Version) -> Labels {
        let request = Request::builder().method(method).version(version).body(()).unwrap();
        Labels::of(&Wire::of(&request), None, Scheme::Http)
    }

    #[test]
    fn each_attribute_has_bits_of_its_own() {
        let routes = ["/key/a", "/key/b"].map(|template| Some(Route::intern(template)));
        let statuses = [100, 200, 999].map(|status| StatusCode::from_u16(status).ok());
        let mut keys = Vec::new();
        for method in METHODS {
            for version in
                [Version::HTTP_09, Version::HTTP_10, Version::HTTP_11, Version::HTTP_2, Version::HTTP_3]
            {
                let request = Request::builder().method(method).version(version).body(()).unwrap();
                for scheme in [Scheme::Http, Scheme::Https] {
                    let labels = Labels::of(&Wire::of(&request), None, scheme);
                    for route in routes.into_iter().chain([None]) {
                        for status in statuses.into_iter().chain([None]) {
                            for error in ErrorType::ALL.into_iter().map(Some).chain([None]) {
                                let labels = labels.answered(route, status).failed(error);
                                assert_eq!((labels.method(), labels.scheme()), (method, scheme));
                                assert_eq!(
                                    labels.status(),
                                    status.map_or(0, |status| status.as_u16().into())
                                );
                                keys.push(labels.key());
                            }
                        }
                    }
                }
            }
        }
        let all = keys.len();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), all);
        assert!(!keys.contains(&0));
    }

    #[test]
    fn what_is_said_last_of_a_request_counts() {
        let labels = labels("GET", Version::HTTP_11);
        let (one, other) = (Route::intern("/key/c"), Route::intern("/key/d"));
        let twice = labels
            .answered(Some(one), Some(StatusCode::OK))
            .failed(Some(ErrorType::Timeout))
            .answered(Some(other), None)
            .failed(None);
        assert_eq!(twice, labels.answered(Some(other), None));
        assert_eq!((labels.method(), labels.version(), labels.error()), ("GET", "1.1", None));
        let shed = labels.failed(Some(ErrorType::Shed));
        assert_eq!(shed.error().as_deref(), Some("shed"));
        let status = labels.answered(None, Some(StatusCode::BAD_GATEWAY)).failed(Some(ErrorType::Status));
        assert_eq!(status.error().as_deref(), Some("502"));
    }

    #[test]
    fn a_method_that_a_peer_made_up_is_other_and_its_case_counts() {
        assert_eq!(labels("PROPFIND", Version::HTTP_2).method(), "_OTHER");
        assert_eq!(labels("get", Version::HTTP_2).method(), "_OTHER");
        for known in &METHODS[1..] {
            assert_eq!(labels(known, Version::HTTP_2).method(), *known);
        }
    }

    #[test]
    fn a_4xx_is_no_error_and_what_refused_or_cut_says_more_than_its_status() {
        let of = |outcome, status: u16| {
            let status = StatusCode::from_u16(status).unwrap();
            ErrorType::of(outcome, Some(status))
        };
        assert_eq!(of(Outcome::Finished, 200), None);
        assert_eq!(of(Outcome::Finished, 404), None);
        assert_eq!(of(Outcome::Finished, 500), Some(ErrorType::Status));
        assert_eq!(of(Outcome::Shed, 503), Some(ErrorType::Shed));
        assert_eq!(of(Outcome::TimedOut, 504), Some(ErrorType::Timeout));
        assert_eq!(of(Outcome::Cancelled, 201), Some(ErrorType::Cancelled));
        assert_eq!(ErrorType::of(Outcome::Panicked, None), Some(ErrorType::Panic));
    }
}
