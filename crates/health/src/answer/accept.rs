//! In which form the answer is wanted.

use http::{HeaderMap, header::ACCEPT};

/// The forms of an answer, those first that are given to who has no preference.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    /// Kubernetes' own text.
    Text,
    /// The draft's document, under the name that the draft gives it.
    HealthJson,
    /// The same, for who knows JSON only.
    Json,
}

impl Form {
    const ALL: [Self; 3] = [Self::Text, Self::HealthJson, Self::Json];

    /// The one that `Accept` prefers (RFC 9110, section 12.5.1): of two alike the first, and of none the first too,
    /// since a probe that is answered in a foreign form is worth more than one that is refused.
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        let mut accept = headers.get_all(ACCEPT).iter().peekable();
        if accept.peek().is_none() {
            return Self::Text;
        }
        let ranges: Vec<_> = accept
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .take(RANGES)
            .filter_map(Range::of)
            .collect();
        let mut best = (Self::Text, 0);
        for form in Self::ALL {
            // The most specific range that names a form speaks for it.
            let range =
                ranges.iter().filter(|range| range.names(form)).max_by_key(|range| range.specificity());
            let quality = range.map_or(0, |range| range.quality);
            if quality > best.1 {
                best = (form, quality);
            }
        }
        best.0
    }

    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Text => "text/plain; charset=utf-8",
            Self::HealthJson => "application/health+json",
            Self::Json => "application/json",
        }
    }

    fn parts(self) -> (&'static str, &'static str) {
        match self {
            Self::Text => ("text", "plain"),
            Self::HealthJson => ("application", "health+json"),
            Self::Json => ("application", "json"),
        }
    }
}

/// `application/*;q=0.8`, its quality in thousandths.
struct Range<'a> {
    class: &'a str,
    subtype: &'a str,
    quality: u16,
}

impl<'a> Range<'a> {
    /// Nothing for what is malformed. Parameters other than `q` are ignored: no form has a variant.
    fn of(text: &'a str) -> Option<Self> {
        let mut parts = text.split(';').map(str::trim);
        let (class, subtype) = parts.next()?.split_once('/')?;
        let mut quality = 1000;
        for parameter in parts {
            if let Some(value) = parameter.strip_prefix("q=").or_else(|| parameter.strip_prefix("Q=")) {
                quality = thousandths(value)?;
            }
        }
        Some(Self { class, subtype, quality })
    }

    fn names(&self, form: Form) -> bool {
        let (class, subtype) = form.parts();
        let is = |ours: &str, theirs: &str| theirs == "*" || theirs.eq_ignore_ascii_case(ours);
        is(class, self.class) && is(subtype, self.subtype)
    }

    fn specificity(&self) -> (bool, bool) {
        (self.class != "*", self.subtype != "*")
    }
}

fn thousandths(text: &str) -> Option<u16> {
    let quality: f32 = text.parse().ok()?;
    // A float that fits: checked here, and the cast saturates all the same.
    (0.0..=1.0).contains(&quality).then_some((quality * 1000.0).round() as u16)
}

/// More than any client names, and no work for a peer to order.
const RANGES: usize = 16;

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn wanted(accept: &[&'static str]) -> Form {
        let mut headers = HeaderMap::new();
        for value in accept {
            headers.append(ACCEPT, HeaderValue::from_static(value));
        }
        Form::of(&headers)
    }

    #[test]
    fn who_names_no_form_gets_text() {
        assert_eq!(wanted(&[]), Form::Text);
        assert_eq!(wanted(&["*/*"]), Form::Text);
        assert_eq!(wanted(&["text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"]), Form::Text);
        assert_eq!(wanted(&["image/png"]), Form::Text);
        assert_eq!(wanted(&["", "no media type", "a/b;q=high"]), Form::Text);
    }

    #[test]
    fn who_names_a_form_gets_it() {
        assert_eq!(wanted(&["application/health+json"]), Form::HealthJson);
        assert_eq!(wanted(&["Application/Health+JSON; charset=utf-8"]), Form::HealthJson);
        assert_eq!(wanted(&["application/json"]), Form::Json);
        assert_eq!(wanted(&["application/*"]), Form::HealthJson);
        assert_eq!(wanted(&["text/*"]), Form::Text);
        assert_eq!(wanted(&["image/png", "application/health+json"]), Form::HealthJson);
    }

    #[test]
    fn qualities_decide_and_the_most_specific_range_speaks() {
        assert_eq!(wanted(&["text/plain;q=0.5, application/health+json"]), Form::HealthJson);
        assert_eq!(wanted(&["text/plain, application/health+json;q=0.5"]), Form::Text);
        assert_eq!(wanted(&["application/health+json;q=0.5, application/json;q=0.6"]), Form::Json);
        assert_eq!(wanted(&["*/*;q=0.1, application/health+json;q=0.2"]), Form::HealthJson);
        assert_eq!(wanted(&["application/health+json, text/plain;q=0, */*"]), Form::HealthJson);
        assert_eq!(wanted(&["application/*, application/health+json;q=0"]), Form::Json);
        assert_eq!(wanted(&["application/json;q=0"]), Form::Text);
    }

    #[test]
    fn no_more_than_16_ranges_are_read() {
        const LONG: &str = "a/a,a/a,a/a,a/a,a/a,a/a,a/a,a/a,a/a,a/a,a/a,a/a,a/a,a/a,a/a,a/a,application/json";
        assert_eq!(wanted(&[LONG]), Form::Text);
    }
}
