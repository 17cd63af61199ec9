//! Whose body is sent.

use http::{Method, StatusCode};

/// Which answers to a request are sent with their body. The server drops that of all others unpolled.
///
/// It is all that has to be remembered of a request to know this: a byte, where its method would be 24 of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodyRule(Kind);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Usual,
    Head,
    Connect,
}

impl BodyRule {
    /// The rule for a request with this method.
    #[inline]
    pub fn of(method: &Method) -> Self {
        Self(match *method {
            Method::HEAD => Kind::Head,
            Method::CONNECT => Kind::Connect,
            _ => Kind::Usual,
        })
    }

    /// Whether an answer with this status is sent without its body.
    #[inline]
    pub fn drops(self, status: StatusCode) -> bool {
        self.0 == Kind::Head
            || (self.0 == Kind::Connect && status.is_success())
            || status.is_informational()
            || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_dropped_for_head_connect_and_bodiless_statuses_alone() {
        let get = BodyRule::of(&Method::GET);
        assert!(!get.drops(StatusCode::OK));
        assert!(!get.drops(StatusCode::NOT_FOUND));
        assert!(get.drops(StatusCode::SWITCHING_PROTOCOLS));
        assert!(get.drops(StatusCode::NO_CONTENT));
        assert!(get.drops(StatusCode::NOT_MODIFIED));
        assert!(BodyRule::of(&Method::HEAD).drops(StatusCode::NOT_FOUND));
        assert!(BodyRule::of(&Method::CONNECT).drops(StatusCode::OK));
        assert!(!BodyRule::of(&Method::CONNECT).drops(StatusCode::BAD_GATEWAY));
    }
}
