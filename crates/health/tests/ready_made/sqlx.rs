use std::{path::Path, time::Duration};

use macadam_health::{Check, Health, checks};
use sqlx::{
    ConnectOptions, Executor, SqlitePool,
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions},
};

use crate::{PASSED, failed, found, ran, server::nobody};

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
async fn a_kept_connection_that_fails_is_replaced_within_the_run() {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
    // A journal in memory, since the name of one on disk would soon be that of another database's.
    let connect = async |name: &str| {
        let options = SqliteConnectOptions::new().filename(folder.join(name)).create_if_missing(true);
        options.journal_mode(SqliteJournalMode::Memory).connect().await.unwrap()
    };
    let (mut old, mut new) = (connect("old.db").await, connect("new.db").await);
    for connection in [&mut old, &mut new] {
        connection.execute("CREATE TABLE IF NOT EXISTS orders (id)").await.unwrap();
    }
    let check = checks::sqlx("it", &pool("old.db"), "SELECT 1 FROM orders");
    let health = Health::builder().check(check.interval(Duration::from_millis(5))).build().unwrap();
    let _schedule = health.spawn();
    ran(&health, 1).await;

    // Who has the old file open keeps it, and soon there is no such table in it.
    std::fs::rename(folder.join("new.db"), folder.join("old.db")).unwrap();
    old.execute("DROP TABLE orders").await.unwrap();
    old.execute("SELECT 1 FROM orders").await.expect_err("who kept its connection sees none");
    let runs = health.snapshot().checks[0].runs;
    ran(&health, runs + 2).await;
    assert_eq!(health.snapshot().checks[0].failures, 0);
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
