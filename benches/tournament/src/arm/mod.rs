//! The contestants, each as its own documentation says that it is best used.

mod little;
mod ours;
mod resilience;
mod tower_limit;

use std::{convert::Infallible, fmt, str::FromStr};

use axum::body::Body;
use http::{Request, Response, StatusCode};
use tower::{Service, ServiceExt, service_fn, util::BoxCloneSyncService};

/// A service behind an arm: what the arm refuses is answered by 503.
pub type Guarded = BoxCloneSyncService<Request<Body>, Response<Body>, Infallible>;

/// One that takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Arm {
    /// No layer.
    Nothing,
    /// tower's `GlobalConcurrencyLimit` inside its `LoadShed`, at the limit that did best at twice the capacity.
    Tuned(usize),
    /// The same at a limit that somebody guessed.
    Guessed(usize),
    /// little-loadshedder.
    Little,
    /// tower-resilience's adaptive limiter with AIMD, inside tower's `LoadShed`.
    Aimd,
    /// The same with Vegas.
    Vegas,
    /// `macadam-load-shed`, with its defaults.
    Ours,
    /// The same, told what matters more: client 0 is critical, all others are sheddable.
    OursByClass,
    /// The same, told whose a request is.
    OursByTenant,
}

impl Arm {
    /// All, in the order of the tables; the tuned one with the limit that was found for it.
    pub fn all(tuned: usize) -> [Self; 8] {
        [
            Self::Nothing,
            Self::Tuned(tuned),
            Self::Guessed(64),
            Self::Guessed(512),
            Self::Little,
            Self::Aimd,
            Self::Vegas,
            Self::Ours,
        ]
    }

    /// The name of its column, whatever it was tuned to.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Tuned(_) => "tower, tuned",
            Self::Guessed(64) => "tower, 64",
            Self::Guessed(512) => "tower, 512",
            Self::Guessed(_) => "tower",
            Self::Little => "little-loadshedder",
            Self::Aimd => "tower-resilience AIMD",
            Self::Vegas => "tower-resilience Vegas",
            Self::Ours | Self::OursByClass | Self::OursByTenant => "macadam",
        }
    }

    /// The service in this arm's layer, with a state of its own.
    ///
    /// Called on the runtime that the service will run on.
    pub fn guard<S>(self, service: S) -> Guarded
    where
        S: Service<Request<Body>, Response = Response<Body>, Error = Infallible>
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send,
    {
        match self {
            Self::Nothing => Guarded::new(service),
            Self::Tuned(limit) | Self::Guessed(limit) => tower_limit::guard(service, limit),
            Self::Little => little::guard(service),
            Self::Aimd => resilience::aimd(service),
            Self::Vegas => resilience::vegas(service),
            Self::Ours => ours::guard(service, &ours::layer()),
            Self::OursByClass => ours::guard(service, &ours::by_class()),
            Self::OursByTenant => ours::guard(service, &ours::by_tenant()),
        }
    }
}

/// As an argument of a command: `nothing`, `tuned-16`, `tower-64`, `little`, `aimd`, `vegas` or `ours`.
impl fmt::Display for Arm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing"),
            Self::Tuned(limit) => write!(f, "tuned-{limit}"),
            Self::Guessed(limit) => write!(f, "tower-{limit}"),
            Self::Little => f.write_str("little"),
            Self::Aimd => f.write_str("aimd"),
            Self::Vegas => f.write_str("vegas"),
            Self::Ours => f.write_str("ours"),
            Self::OursByClass => f.write_str("ours-by-class"),
            Self::OursByTenant => f.write_str("ours-by-tenant"),
        }
    }
}

impl FromStr for Arm {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        let limit = |limit: &str| limit.parse().map_err(|_| format!("{name}: the limit has to be a number"));
        match name.split_once('-') {
            Some(("tuned", number)) => limit(number).map(Self::Tuned),
            Some(("tower", number)) => limit(number).map(Self::Guessed),
            _ => {
                let named = Self::all(0).into_iter().find(|arm| arm.to_string() == name);
                named.ok_or_else(|| format!("there is no arm {name:?}"))
            }
        }
    }
}

/// Behind an arm that refuses by an error: there is no other, since the services here have none.
fn refusing<S>(shedding: S) -> Guarded
where
    S: Service<Request<Body>, Response = Response<Body>> + Clone + Send + Sync + 'static,
    S::Future: Send,
{
    Guarded::new(service_fn(move |request| {
        let shedding = shedding.clone();
        async { Ok(shedding.oneshot(request).await.unwrap_or_else(|_| refused())) }
    }))
}

/// What an arm says that refuses by an error, or by an answer without a status.
fn refused() -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    response
}
