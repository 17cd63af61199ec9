//! Ready-made checks of what services lean on, each behind a feature of its name.
//!
//! | function | feature | passes when |
//! |---|---|---|
//! | `tcp` | `tcp` | a connection is accepted |
//! | `http` | `http` | a GET is answered with a status that was asked for |
//! | `sqlx` | `sqlx-0_8` | a statement succeeds, on a connection beside the pool |
//! | `redis` | `redis-1` | PING is answered |
//! | `disk` | `disk` | a file system has room left |
//!
//! For anything else [`Check::new`](crate::Check::new) takes an async function. What these return is a
//! [`Check`](crate::Check) like any other, with the same defaults: what should differ is set on it. A database that all
//! instances share is to be told so, by [`Check::shared`](crate::Check::shared).
//!
//! A pool of sqlx 0.9, which asks for a newer Rust than this crate does, takes a function too.
//!
//! A reason is short, and quotes neither a URL nor what a client said to authenticate itself.

#[cfg(feature = "disk")]
mod disk;
#[cfg(feature = "http")]
mod http;
#[cfg(feature = "disk")]
mod question;
#[cfg(feature = "redis-1")]
mod redis;
#[cfg(feature = "sqlx-0_8")]
mod sqlx;
#[cfg(feature = "tcp")]
mod tcp;

#[cfg(feature = "disk")]
pub use self::disk::{Free, disk};
#[cfg(feature = "http")]
pub use self::http::http;
#[cfg(feature = "redis-1")]
pub use self::redis::redis;
#[cfg(feature = "sqlx-0_8")]
pub use self::sqlx::sqlx;
#[cfg(feature = "tcp")]
pub use self::tcp::tcp;
