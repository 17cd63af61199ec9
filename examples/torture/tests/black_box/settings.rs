//! Wrong settings: one clear message, a code other than 0, and no backtrace.

use crate::process::{Torture, refused};

/// The last line of what it wrote: the error that `main` returned.
async fn message(variables: &[(&str, &str)]) -> String {
    let exit = refused(variables).await;
    assert_ne!(exit.code, Some(0));
    assert!(!exit.stderr.contains("backtrace") && !exit.stderr.contains("panicked"), "{}", exit.stderr);
    assert_eq!(exit.stderr.trim_end().lines().count(), 1, "one line, and no more: {}", exit.stderr);
    exit.stderr
}

#[tokio::test]
async fn a_value_that_does_not_fit() {
    let message = message(&[("MACADAM_TIMEOUTS_REQUEST", "3parsecs")]).await;
    assert!(message.contains("environment: `MACADAM_TIMEOUTS_REQUEST` is \"3parsecs\""), "{message}");
    assert!(message.contains("such as `250ms` or `3s`"), "{message}");
}

#[tokio::test]
async fn a_name_that_does_not_exist() {
    let message = message(&[("MACADAM_TIMEOUT_REQUEST", "3s")]).await;
    assert!(message.contains("no setting \"MACADAM_TIMEOUT_REQUEST\""), "{message}");
    assert!(message.contains("did you mean `MACADAM_TIMEOUTS_REQUEST`?"), "{message}");
}

#[tokio::test]
async fn a_budget_smaller_than_its_phases_is_told_by_the_keys_of_the_settings() {
    let message = message(&[("MACADAM_SHUTDOWN_BUDGET", "10s"), ("MACADAM_SHUTDOWN_DRAIN", "20s")]).await;
    assert!(
        message.contains("its budget is 10s: ") && message.contains("shutdown.drain 20s + "),
        "{message}"
    );
    assert!(
        message.contains("`shutdown.drain` by ") && message.contains("raise `shutdown.budget` to "),
        "{message}"
    );
}

#[tokio::test]
async fn a_port_in_use() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let said = message(&[("MACADAM_LISTEN", &address)]).await;
    assert!(said.contains(&address), "{said}");
    assert!(said.contains("MACADAM_LISTEN"), "{said}");
}

#[tokio::test]
async fn a_file_that_cannot_be_read_or_is_not_toml() {
    let missing = message(&[("MACADAM_CONFIG", "/nowhere/macadam.toml")]).await;
    assert!(missing.contains("/nowhere/macadam.toml") && missing.contains("MACADAM_CONFIG"), "{missing}");

    let directory = std::env::temp_dir().join(format!("macadam-settings-{}", std::process::id()));
    std::fs::create_dir_all(&directory).unwrap();
    let file = directory.join("broken.toml");
    std::fs::write(&file, "listen = \"127.0.0.1:0\"\n[timeouts\n").unwrap();
    let broken = message(&[("MACADAM_CONFIG", file.to_str().unwrap())]).await;
    let unreadable = message(&[("MACADAM_CONFIG", directory.to_str().unwrap())]).await;
    std::fs::remove_dir_all(&directory).unwrap();
    assert!(broken.contains("broken.toml:2: not valid TOML"), "{broken}");
    assert!(unreadable.contains("cannot read the settings"), "{unreadable}");
}

#[tokio::test]
async fn variables_of_kubernetes_are_passed_over() {
    Torture::start(&[
        ("MACADAM_PORT_80_TCP", "tcp://10.0.0.1:80"),
        ("MACADAM_PORT_80_TCP_ADDR", "10.0.0.1"),
        ("MACADAM_PORT", "tcp://10.0.0.1:80"),
        ("MACADAM_SERVICE_HOST", "10.0.0.1"),
        ("MACADAM_SERVICE_PORT_HTTP", "80"),
        ("MACADAM_ORDERS_PORT_8080_TCP_PROTO", "tcp"),
    ])
    .await;
    // And one that only looks like theirs is not.
    let message = message(&[("MACADAM_PORT", "8080")]).await;
    assert!(message.contains("no setting \"MACADAM_PORT\""), "{message}");
}
