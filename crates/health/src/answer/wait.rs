//! An answer that is held back until there is something new to say.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue, header::IF_NONE_MATCH};

/// For how long who asks wants to wait for a change, and from what.
///
/// It takes both headers, as with Armeria: without `If-None-Match` nobody knows what would be a change.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Patience {
    pub(crate) wait: Duration,
    known: Vec<HeaderValue>,
}

impl Patience {
    /// `Prefer: wait=30` (RFC 7240, section 4.3) with `If-None-Match`.
    pub(crate) fn of(headers: &HeaderMap) -> Option<Self> {
        // Looked for first, as nearly nobody sends it.
        let mut preferences = headers.get_all(PREFER).iter().filter_map(|value| value.to_str().ok());
        let seconds = preferences.find_map(wait)?;
        let known: Vec<_> = headers.get_all(IF_NONE_MATCH).iter().cloned().collect();
        (!known.is_empty()).then(|| Self { wait: Duration::from_secs(seconds).min(LONGEST), known })
    }

    /// Whether who asks has seen the state with this tag: weakly compared, as it is only ever asked with GET and HEAD.
    pub(crate) fn knows(&self, tag: &str) -> bool {
        let tag = tag.strip_prefix("W/").unwrap_or(tag);
        self.known.iter().filter_map(|value| value.to_str().ok()).flat_map(|value| value.split(',')).any(
            |known| {
                let known = known.trim();
                known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag
            },
        )
    }

    /// What was made of the preference.
    pub(crate) fn applied(&self) -> (HeaderName, HeaderValue) {
        let applied = format!("wait={}", self.wait.as_secs());
        (PREFERENCE_APPLIED, HeaderValue::try_from(applied).expect("a number is fit for a header"))
    }
}

/// The seconds in `respond-async, wait=10; foo`.
fn wait(preferences: &str) -> Option<u64> {
    preferences.split(',').find_map(|preference| {
        let (name, value) = preference.split(';').next()?.split_once('=')?;
        let value = value.trim();
        let value = value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value);
        name.trim().eq_ignore_ascii_case("wait").then(|| value.parse().ok()).flatten()
    })
}

/// As long as who waits may: below the 75 s after which proxies commonly give an answer up.
const LONGEST: Duration = Duration::from_secs(60);
const PREFER: HeaderName = HeaderName::from_static("prefer");
const PREFERENCE_APPLIED: HeaderName = HeaderName::from_static("preference-applied");

#[cfg(test)]
mod tests {
    use super::*;

    fn patience(prefer: &'static str, known: &'static str) -> Option<Patience> {
        let mut headers = HeaderMap::new();
        headers.insert(PREFER, HeaderValue::from_static(prefer));
        headers.insert(IF_NONE_MATCH, HeaderValue::from_static(known));
        Patience::of(&headers)
    }

    #[test]
    fn a_wait_is_read_among_other_preferences_and_is_a_minute_at_most() {
        let wait = |prefer| patience(prefer, "\"a\"").map(|patience| patience.wait.as_secs());
        assert_eq!(wait("wait=10"), Some(10));
        assert_eq!(wait("respond-async, Wait=\"7\"; foo=bar"), Some(7));
        assert_eq!(wait("wait=0"), Some(0));
        assert_eq!(wait("wait=61"), Some(60));
        for none in ["", "wait", "wait=", "wait=-1", "wait=99999999999999999999", "await=3", "respond-async"]
        {
            assert_eq!(wait(none), None, "{none}");
        }
    }

    #[test]
    fn who_does_not_say_what_it_knows_does_not_wait() {
        let mut headers = HeaderMap::new();
        headers.insert(PREFER, HeaderValue::from_static("wait=10"));
        assert_eq!(Patience::of(&headers), None);
    }

    #[test]
    fn tags_are_compared_weakly_and_a_star_is_all() {
        let knows = |known, tag| patience("wait=1", known).expect("it waits").knows(tag);
        assert!(knows("W/\"pass-1\"", "W/\"pass-1\""));
        assert!(knows("\"pass-1\"", "W/\"pass-1\""));
        assert!(knows("\"x\", W/\"pass-1\"", "W/\"pass-1\""));
        assert!(knows("*", "W/\"pass-1\""));
        assert!(!knows("W/\"pass-2\"", "W/\"pass-1\""));
        assert!(!knows("pass-1", "W/\"pass-1\""));
    }
}
