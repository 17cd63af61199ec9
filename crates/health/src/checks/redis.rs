//! Whether Redis answers.

use redis::{RedisError, aio::ConnectionLike, cmd};

use crate::check::Check;

/// Passes when PING is answered on the service's own connection: a `ConnectionManager`, a `MultiplexedConnection` or a
/// cluster's.
///
/// Those carry many commands at once, so that nobody waits for the check; a command that holds the server up holds the
/// check up too. A `MultiplexedConnection` that has broken stays broken, and the check fails until the process ends: give
/// it a `ConnectionManager`, which connects again. While that tries again by itself, six times by default, it leaves the
/// command waiting, so that a server that refuses is reported as `timeout`, and one that is back is noticed later; with
/// `set_number_of_retries(0)` each run tries once, and says what it heard.
///
/// Of what the server says to refuse, the reason has the code alone (`NOAUTH`, `LOADING`, `MASTERDOWN`): a server that does
/// not know a command quotes its arguments, and those of `AUTH` and `HELLO` are a password.
///
/// ```no_run
/// # use macadam_health::checks;
/// # use redis::aio::ConnectionLike;
/// # fn add(connections: impl ConnectionLike + Clone + Send + Sync + 'static) {
/// let sessions = checks::redis("sessions", connections).shared();
/// # }
/// ```
pub fn redis<C>(name: impl Into<String>, connection: C) -> Check
where
    C: ConnectionLike + Clone + Send + Sync + 'static,
{
    Check::new(name, move || {
        let mut connection = connection.clone();
        async move { cmd("PING").exec_async(&mut connection).await.map_err(|error| why(&error)) }
    })
}

fn why(error: &RedisError) -> String {
    if error.is_timeout() {
        // The client's own limit for an answer is 500 ms, below the check's: to the reader it is the same.
        "timeout".to_owned()
    } else if error.is_io_error() {
        error.to_string()
    } else {
        error.code().unwrap_or_else(|| error.category()).to_owned()
    }
}
