//! What is a secret by its name, and how it is kept out of a text.

/// What stands in the place of a secret.
pub(crate) const REDACTED: &str = "REDACTED";

/// Headers whose value is a secret as a whole, whatever stands in it.
const HEADERS: [&str; 4] = ["authorization", "proxy-authorization", "cookie", "set-cookie"];

/// Fields, keys of queries and other headers that are; those of signed URLs by OpenTelemetry's conventions.
const NAMES: [&str; 25] = [
    "access-token",
    "api-key",
    "apikey",
    "auth-token",
    "awsaccesskeyid",
    "client-secret",
    "id-token",
    "jwt",
    "passwd",
    "password",
    "private-key",
    "pwd",
    "refresh-token",
    "secret",
    "secret-key",
    "sig",
    "signature",
    "token",
    "x-amz-credential",
    "x-amz-security-token",
    "x-amz-signature",
    "x-api-key",
    "x-auth-token",
    "x-csrf-token",
    "x-goog-signature",
];

/// Whether what bears this name is a secret. The last part counts, of `http.request.header.authorization` that is
/// `authorization`; case does not, and `_` is `-`.
pub(crate) fn is_secret(name: &str) -> bool {
    let last = name.rsplit('.').next().unwrap_or(name);
    is_one_of(&HEADERS, last) || is_one_of(&NAMES, last)
}

fn is_one_of(names: &[&str], name: &str) -> bool {
    let same = |(one, other): (u8, u8)| one == if other == b'_' { b'-' } else { other.to_ascii_lowercase() };
    names.iter().any(|known| known.len() == name.len() && known.bytes().zip(name.bytes()).all(same))
}

/// Hands a text to `out` piece by piece, with [`REDACTED`] for each secret in it.
///
/// A secret is what follows a secret's name: `token=…`, `token: …`, `"token": "…"`, as in queries, in what `Debug` makes of
/// headers, requests and structs, and in lines of HTTP; and what stands before the `@` of a URL.
pub(crate) fn redact<'a>(text: &'a str, out: &mut impl FnMut(&'a str)) {
    let bytes = text.as_bytes();
    let mut told = 0;
    let mut at = 0;
    while let Some(found) = bytes[at..].iter().position(|byte| matches!(byte, b'=' | b':')) {
        let separator = at + found;
        at = separator + 1;
        let Some(secret) = user_of_url(text, separator).or_else(|| value_of_secret(text, separator)) else {
            continue;
        };
        out(&text[told..secret.start]);
        out(REDACTED);
        told = secret.end;
        at = told;
    }
    out(&text[told..]);
}

type Range = std::ops::Range<usize>;

/// Name and password, where this is the colon of `://name:password@`.
fn user_of_url(text: &str, colon: usize) -> Option<Range> {
    let rest = text[colon..].strip_prefix("://")?;
    let authority = rest.find(|c: char| matches!(c, '/' | '?' | '#' | '"' | '\\') || c.is_whitespace());
    let user = rest[..authority.unwrap_or(rest.len())].rfind('@')?;
    let start = colon + "://".len();
    Some(start..start + user)
}

/// What follows the separator, where a secret's name stands before it.
fn value_of_secret(text: &str, separator: usize) -> Option<Range> {
    // As `Debug` writes a key, and as it writes that once more.
    let before = text[..separator].trim_end_matches('"').trim_end_matches('\\');
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    let name = &before[before.trim_end_matches(is_part).len()..];
    if !is_secret(name) {
        return None;
    }
    let after = &text[separator + 1..];
    if after.starts_with(':') {
        // A path of Rust.
        return None;
    }
    let value = after.trim_start_matches(' ');
    let value = value.strip_prefix("Some(").unwrap_or(value);
    let unescaped = value.trim_start_matches('\\');
    let (start, length) = match unescaped.strip_prefix('"') {
        Some(quoted) => {
            let depth = value.len() - unescaped.len();
            (text.len() - quoted.len(), to_quote(quoted, depth))
        }
        None if is_one_of(&HEADERS, name) => (text.len() - value.len(), value.find(['\r', '\n'])),
        None => (text.len() - value.len(), value.find(ends_value)),
    };
    let length = length.unwrap_or(text.len() - start);
    (length > 0).then_some(start..start + length)
}

/// Where the next quote is that as many backslashes stand before.
fn to_quote(text: &str, depth: usize) -> Option<usize> {
    text.match_indices('"').find_map(|(at, _)| {
        let unescaped = text[..at].trim_end_matches('\\');
        (at - unescaped.len() == depth).then_some(unescaped.len())
    })
}

fn ends_value(c: char) -> bool {
    matches!(c, '&' | ';' | ',' | '#' | '"' | '\'' | ')' | ']' | '}' | '<' | '>' | '\\') || c.is_whitespace()
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue, Request, header};

    use super::*;

    fn redacted(text: &str) -> String {
        let mut out = String::new();
        redact(text, &mut |piece| out.push_str(piece));
        out
    }

    #[test]
    fn a_secrets_name_is_known_in_any_spelling_and_by_its_last_part() {
        for name in [
            "authorization",
            "Proxy-Authorization",
            "COOKIE",
            "set_cookie",
            "http.request.header.set-cookie",
            "X-Amz-Signature",
            "AWSAccessKeyId",
            "api_key",
            "user.password",
        ] {
            assert!(is_secret(name), "{name}");
        }
        for name in ["", "tokens", "cookies", "authority", "authorization.kind", "signature_version", "key"] {
            assert!(!is_secret(name), "{name}");
        }
    }

    #[test]
    fn secrets_in_queries_are_redacted_and_their_neighbours_are_not() {
        for (text, safe) in [
            ("/a?sig=s3cret", "/a?sig=REDACTED"),
            ("/a?x=1&token=s3cret&y=2#part", "/a?x=1&token=REDACTED&y=2#part"),
            ("https://host/a?X-Amz-Signature=s3cret&a=b", "https://host/a?X-Amz-Signature=REDACTED&a=b"),
            ("got /a?Signature=s3cret, gave up", "got /a?Signature=REDACTED, gave up"),
            ("postgres://user:s3cret@db/orders", "postgres://REDACTED@db/orders"),
            ("https://s3cret@host/?token=s3cret", "https://REDACTED@host/?token=REDACTED"),
            ("token=s3cret token=s3cret", "token=REDACTED token=REDACTED"),
        ] {
            assert_eq!(redacted(text), safe);
        }
        for text in
            ["", "=", ":", "a=b&c=d", "/a?tokens=3", "token=", "token::Kind", "http://host:80/a@b", "10:30"]
        {
            assert_eq!(redacted(text), text);
        }
    }

    #[test]
    fn secrets_in_what_debug_makes_of_headers_and_requests_are_redacted() {
        let mut headers = HeaderMap::new();
        headers.insert(header::HOST, HeaderValue::from_static("shop"));
        headers.insert(header::AUTHORIZATION, HeaderValue::from_static("Bearer s3cret"));
        headers.append(header::COOKIE, HeaderValue::from_static("a=s3cret; b=\"s3cret\""));
        headers.append(header::COOKIE, HeaderValue::from_static("c=s3cret"));
        headers.insert(header::ACCEPT, HeaderValue::from_static("text/html"));
        let mut request = Request::get("/a?api_key=s3cret&page=2").body(()).unwrap();
        *request.headers_mut() = headers.clone();

        let twice = format!("{:?}", format!("{headers:?}"));
        for text in [format!("{headers:?}"), format!("{headers:#?}"), format!("{request:?}"), twice] {
            let safe = redacted(&text);
            assert!(!safe.contains("s3cret"), "{safe}");
            for kept in ["host", "shop", "authorization", "cookie", "accept", "text/html"] {
                assert!(safe.contains(kept), "{kept} is not in {safe}");
            }
        }
        assert!(redacted(&format!("{request:?}")).contains("/a?api_key=REDACTED&page=2"));
    }

    #[test]
    fn secrets_in_structs_and_in_lines_of_http_are_redacted() {
        for (text, safe) in [
            (
                r#"User { name: "ada", password: "s3cret", age: 3 }"#,
                r#"User { name: "ada", password: "REDACTED", age: 3 }"#,
            ),
            (r#"User { token: Some("s3cret") }"#, r#"User { token: Some("REDACTED") }"#),
            ("User { pwd: 1234 }", "User { pwd: REDACTED }"),
            ("cookie: a=s3cret; b=s3cret\r\nhost: shop", "cookie: REDACTED\r\nhost: shop"),
            ("Authorization: Bearer s3cret", "Authorization: REDACTED"),
            (r#"{"password":"s3\"cret","a":1}"#, r#"{"password":"REDACTED","a":1}"#),
        ] {
            assert_eq!(redacted(text), safe);
        }
    }

    #[test]
    fn a_secret_that_was_cut_off_is_redacted_to_the_end() {
        assert_eq!(redacted(r#"{"authorization": "Bearer s3cr"#), r#"{"authorization": "REDACTED"#);
        assert_eq!(redacted("/?sig=s3cr"), "/?sig=REDACTED");
    }
}
