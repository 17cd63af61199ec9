//! Whether a database answers.

use std::{
    borrow::Cow,
    sync::{Arc, Mutex, PoisonError},
};

use sqlx::{ConnectOptions, Database, Error, Executor, Pool};

use crate::check::Check;

/// Passes when `statement` succeeds on a connection to the pool's database: any that sqlx knows.
///
/// The connection is the check's own, made with the pool's options by the first run and kept: **one connection more than
/// the pool may have**. So the check takes none from traffic, not even the last one for a moment, and says that the
/// database is down only if it is: not if traffic has all connections in use, which is for load shedding to see. The hooks
/// of the pool, such as `after_connect`, do not run on it. A connection that was kept and fails is replaced within the
/// same run, one that hangs in the next.
///
/// For Postgres, `SELECT 1` goes to the server and back. For SQLite it would not even open the file; `PRAGMA
/// schema_version` reads its first page. A statement about a table finds missing rights too. For an SQLite database in
/// memory the check would see another one, which is empty.
///
/// ```
/// # use macadam_health::checks;
/// # fn add<DB: sqlx::Database>(pool: &sqlx::Pool<DB>)
/// # where
/// #     for<'c> &'c mut DB::Connection: sqlx::Executor<'c, Database = DB>,
/// # {
/// let orders = checks::sqlx("orders-db", pool, "SELECT 1").shared();
/// # }
/// ```
pub fn sqlx<DB>(name: impl Into<String>, pool: &Pool<DB>, statement: &'static str) -> Check
where
    DB: Database,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    let pool = pool.clone();
    // Taken out for a run and put back when it has passed: a run that is dropped in the middle, or that failed, closes it.
    let kept = Arc::new(Mutex::new(None));
    Check::new(name, move || {
        let (pool, kept) = (pool.clone(), Arc::clone(&kept));
        async move {
            if pool.is_closed() {
                return Err(Cow::Borrowed("the pool is closed"));
            }
            let before = kept.lock().unwrap_or_else(PoisonError::into_inner).take();
            let connection = ask(&pool, before, statement).await.map_err(why)?;
            *kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(connection);
            Ok(())
        }
    })
}

/// The connection that has answered.
async fn ask<DB>(
    pool: &Pool<DB>,
    kept: Option<DB::Connection>,
    statement: &'static str,
) -> Result<DB::Connection, Error>
where
    DB: Database,
    for<'c> &'c mut DB::Connection: Executor<'c, Database = DB>,
{
    if let Some(mut connection) = kept {
        if connection.execute(statement).await.is_ok() {
            return Ok(connection);
        }
    }
    let mut connection = pool.connect_options().connect().await?;
    connection.execute(statement).await?;
    Ok(connection)
}

fn why(error: Error) -> Cow<'static, str> {
    match error {
        Error::Io(error) => error.to_string().into(),
        Error::Database(error) => error.message().to_owned().into(),
        Error::Tls(_) => "the TLS handshake failed".into(),
        // It may quote what could not be parsed.
        Error::Configuration(_) => "the options of the connection are not valid".into(),
        _ => "the client failed".into(),
    }
}
