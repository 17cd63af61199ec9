//! The status for people.
//!
//! The server writes all of it, so that it is whole without scripts. Where there are some, they replace its `main` by
//! what the [stream](crate::stream) says, which is the same part of it, written anew. All text in it is escaped by the
//! template.

mod filters;
mod spark;

use askama::Template;

use crate::status::Status;

#[derive(Template)]
#[template(path = "page.html", whitespace = "minimize")]
struct Page<'a> {
    status: &'a Status,
}

#[derive(Template)]
#[template(path = "main.html", whitespace = "minimize")]
struct Main<'a> {
    status: &'a Status,
}

/// The whole page.
pub(crate) fn whole(status: &Status) -> askama::Result<String> {
    Page { status }.render()
}

/// What changes of it.
pub(crate) fn main(status: &Status) -> askama::Result<String> {
    Main { status }.render()
}

/// The page asks nobody but us, and runs what it came with: a test compares the hashes with what is sent.
pub(crate) const POLICY: &str = "default-src 'none'; \
    style-src 'sha256-tEC3mzvvPioKkb2Kvt6s+c0bM+EEHTtm0WqYSq7zKE4='; \
    script-src 'sha256-7nkuP+ieYew0pbkd4n34JwNGab+8i7p/wxrlwgDDnBw='; \
    connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
