use std::path::Path;

use macadam_health::{Check, checks};
use sqlx::{
    SqlitePool,
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqlitePoolOptions},
};

use crate::{PASSED, failed, found, server::nobody};

/// Of one connection, which is made when it is asked for.
fn pool(name: &str) -> SqlitePool {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let options = SqliteConnectOptions::new().filename(path).create_if_missing(!name.contains("missing"));
    SqlitePoolOptions::new().max_connections(1).connect_lazy_with(options)
}

fn check(pool: &SqlitePool) -> Check {
    checks::sqlx("it", pool, "PRAGMA schema_version")
}

#[tokio::test]
async fn a_check_takes_no_connection_of_the_pool() {
    let pool = pool("idle.db");
    assert_eq!(found(check(&pool)).await, PASSED);
    assert_eq!(pool.size(), 0, "the pool has not even made one");
}

#[tokio::test]
async fn a_pool_that_traffic_has_exhausted_does_not_fail() {
    let pool = pool("exhausted.db");
    let _last = pool.acquire().await.unwrap();
    assert_eq!(found(check(&pool)).await, PASSED);
}

#[tokio::test]
async fn a_file_that_is_not_there_and_one_that_is_no_database_fail() {
    assert_eq!(found(check(&pool("missing/a.db"))).await, failed("unable to open database file"));

    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join("text.db");
    std::fs::write(path, "no database, and long enough to look like one: ".repeat(100)).unwrap();
    assert_eq!(found(check(&pool("text.db"))).await, failed("file is not a database"));
}

#[tokio::test]
async fn a_statement_that_the_database_refuses_fails() {
    let check = checks::sqlx("it", &pool("empty.db"), "SELECT 1 FROM orders");
    assert_eq!(found(check).await, failed("no such table: orders"));
}

#[tokio::test]
async fn a_pool_that_was_closed_fails() {
    let pool = pool("closed.db");
    pool.close().await;
    assert_eq!(found(check(&pool)).await, failed("the pool is closed"));
}

#[tokio::test]
async fn a_refused_connection_fails_without_a_word_of_the_options() {
    let address = nobody().await;
    let options =
        PgConnectOptions::new().host("127.0.0.1").port(address.port()).username("orders").password("hunter2");
    let pool = PgPoolOptions::new().connect_lazy_with(options);
    let reason = failed("Connection refused (os error 111)");
    assert_eq!(found(checks::sqlx("it", &pool, "SELECT 1")).await, reason);
}
