//! Mistakes are named when the health is built.

use std::{convert::Infallible, time::Duration};

use macadam_health::{Check, ConfigError, Health, HealthBuilder};

fn check(name: &str) -> Check {
    Check::new(name, async || Ok::<_, Infallible>(()))
}

fn mistake(checks: impl IntoIterator<Item = Check>) -> ConfigError {
    checks.into_iter().fold(Health::builder(), HealthBuilder::check).build().expect_err("there is a mistake")
}

#[test]
fn names_are_fit_for_a_path() {
    for name in ["", "a/b", "a b", "ä", "a\n", "a%20b", &"x".repeat(64)] {
        let name = name.to_owned();
        assert!(matches!(mistake([check(&name)]), ConfigError::InvalidName { .. }), "{name:?}");
    }
    for name in ["a", "postgres-1", "Redis_2.main", &"x".repeat(63)] {
        assert!(Health::builder().check(check(name)).build().is_ok(), "{name:?}");
    }
}

#[test]
fn names_are_unique_and_not_those_of_built_in_checks() {
    let name = "postgres".to_owned();
    assert_eq!(
        mistake([check("postgres"), check("redis"), check("postgres").liveness()]),
        ConfigError::DuplicateName { name }
    );
    for name in ["ping", "starting", "runtime", "shutdown"] {
        assert_eq!(mistake([check(name)]), ConfigError::ReservedName { name: name.into() });
    }
}

#[test]
fn an_interval_or_a_timeout_of_zero_is_refused() {
    let name = || "it".to_owned();
    assert_eq!(mistake([check("it").interval(Duration::ZERO)]), ConfigError::ZeroInterval { name: name() });
    assert_eq!(mistake([check("it").timeout(Duration::ZERO)]), ConfigError::ZeroTimeout { name: name() });
}

#[test]
fn a_longer_interval_while_down_is_refused() {
    let seconds = Duration::from_secs;
    let intervals = |up, down| check("it").interval(seconds(up)).interval_while_down(seconds(down));
    let name = || "it".to_owned();
    assert_eq!(mistake([intervals(2, 3)]), ConfigError::SlowerWhileDown { name: name() });
    assert_eq!(mistake([intervals(2, 0)]), ConfigError::ZeroInterval { name: name() });
    assert!(Health::builder().check(intervals(2, 2)).build().is_ok());
    // The default follows the interval down.
    assert!(Health::builder().check(check("it").interval(Duration::from_millis(5))).build().is_ok());
}

#[test]
fn a_threshold_of_zero_is_refused() {
    for check in [check("it").failure_threshold(0), check("it").success_threshold(0)] {
        assert_eq!(mistake([check]), ConfigError::ZeroThreshold { name: "it".into() });
    }
}

#[test]
fn a_jitter_is_from_0_to_below_1() {
    for jitter in [-0.1, 1.0, 5.0, f64::NAN, f64::INFINITY] {
        assert_eq!(mistake([check("it").jitter(jitter)]), ConfigError::Jitter { name: "it".into() });
    }
    for jitter in [0.0, 0.05, 0.999] {
        assert!(Health::builder().check(check("it").jitter(jitter)).build().is_ok());
    }
}

#[test]
fn what_is_shared_is_not_asked_by_liveness() {
    let name = || "it".to_owned();
    assert_eq!(mistake([check("it").shared().liveness()]), ConfigError::SharedLiveness { name: name() });
    assert_eq!(
        mistake([check("it").liveness().shared_for(Duration::from_secs(60))]),
        ConfigError::SharedLiveness { name: name() }
    );
}

#[test]
fn an_error_names_the_input_and_the_cure() {
    let said = mistake([check("post gres")]).to_string();
    assert!(said.contains("\"post gres\"") && said.contains("1 to 63 ASCII letters"), "{said}");
    let said = mistake([check(&"\n".repeat(10_000))]).to_string();
    assert!(said.len() < 300, "{said}");
}
