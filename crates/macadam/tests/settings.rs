//! The settings: what is read, what is refused, and in which words.

use std::time::Duration;

use macadam::{Hook, Road, RoadBuilder, Settings};

fn refused(toml: &str) -> String {
    Settings::from_toml(toml).expect_err(toml).to_string()
}

#[test]
fn a_file_moves_defaults_and_leaves_the_rest() {
    let settings = Settings::from_toml(
        r#"
        listen = "0.0.0.0:80"
        body_limit = "2MiB"

        [timeouts]
        request = "800ms"

        [admin]
        listen = "off"

        [load_shed]
        max_in_flight = 8
        "#,
    )
    .unwrap();
    assert_eq!(settings.timeouts.request, Duration::from_millis(800));
    assert_eq!(settings.body_limit.0, 2 << 20);
    assert_eq!(settings.admin.listen, None);
    assert_eq!(settings.load_shed.max_in_flight, 8);
    assert_eq!(settings.shutdown.drain, Duration::from_secs(20));
    let differing: Vec<_> = settings.differing().collect();
    assert_eq!(differing.len(), 5);
    assert_eq!(differing[3], "timeouts.request = 800ms (from macadam.toml)");
}

#[test]
fn a_wrong_value_is_named_with_its_key_its_source_and_the_cure() {
    assert_eq!(
        refused("[timeouts]\nrequest = \"3parsecs\""),
        "macadam.toml: `timeouts.request` is \"3parsecs\"; expected a whole number with a unit \
         (`ms`, `s`, `m`, `h`), such as `250ms` or `3s`"
    );
    assert_eq!(
        refused("[load_shed]\nmax_in_flight = -1"),
        "macadam.toml: `load_shed.max_in_flight` is \"-1\"; expected a whole number, such as `1024`"
    );
    assert!(refused("listen = [1]").contains("`listen` is \"array\""));
}

#[test]
fn an_unknown_key_is_refused_with_the_nearest_name() {
    assert_eq!(
        refused("[timeout]\nrequest = \"3s\""),
        "macadam.toml: there is no setting \"timeout.request\"; did you mean `timeouts.request`?"
    );
    assert_eq!(
        refused("zzz = 1"),
        "macadam.toml: there is no setting \"zzz\"; a service's own settings stand in the table [app]"
    );
}

#[test]
fn what_is_not_toml_is_refused_with_its_line() {
    assert!(refused("listen = \"127.0.0.1:1\"\n[timeouts\n").starts_with("macadam.toml:2: not valid TOML: "));
}

#[test]
fn the_table_app_is_the_services_own() {
    #[derive(serde::Deserialize)]
    struct App {
        greeting: String,
    }
    let settings = Settings::from_toml("[app]\ngreeting = \"hello\"").unwrap();
    assert_eq!(settings.app::<App>().unwrap().greeting, "hello");
    let missing = Settings::default().app::<App>().err().unwrap().to_string();
    assert!(
        missing.starts_with("no macadam.toml has a table [app]") && missing.contains("greeting"),
        "{missing}"
    );
    let wrong = Settings::from_toml("[app]\ngreeting = 6").unwrap().app::<App>().err().unwrap().to_string();
    assert!(wrong.starts_with("macadam.toml: [app] does not fit") && wrong.contains("greeting"), "{wrong}");
}

#[test]
fn prod_said_explicitly_refuses_a_debug_build() {
    let settings = Settings::from_toml("profile = \"prod\"");
    if cfg!(debug_assertions) {
        assert!(settings.unwrap_err().to_string().contains("build with --release"));
    } else {
        assert_eq!(settings.unwrap().shutdown.lame_duck, Duration::from_secs(5));
    }
}

#[test]
fn a_certificate_without_its_key_is_refused_and_so_is_one_that_nobody_can_show() {
    let built = |toml: &str| {
        let settings = Settings::from_toml(toml).expect(toml);
        Road::builder("own").settings(settings).build().expect_err(toml).to_string()
    };
    assert_eq!(
        built("[serve]\ntls_certificate = \"tls.crt\""),
        "macadam.toml: `serve.tls_certificate` is set and `serve.tls_key` is not; set both, or neither for no TLS"
    );
    assert_eq!(
        built("[serve]\ntls_key = \"tls.key\""),
        "macadam.toml: `serve.tls_key` is set and `serve.tls_certificate` is not; set both, or neither for no TLS"
    );
    // Where there is TLS, there is no such file.
    let nowhere = built("[serve]\ntls_certificate = \"/no/tls.crt\"\ntls_key = \"/no/tls.key\"");
    let without = "`serve.tls_certificate` is set, but this build speaks no TLS; add `features = [\"tls\"]` to the \
                   dependency on macadam, or leave the setting out";
    assert!(nowhere == without || nowhere.starts_with("cannot read \"/no/tls.crt\""), "{nowhere}");
}

#[test]
fn a_least_above_the_most_is_refused_where_somebody_chose_it() {
    let built = |toml: &str| Road::builder("own").settings(Settings::from_toml(toml).expect(toml)).build();
    assert_eq!(
        built("[shutdown]\nlame_duck = \"5s\"\nlame_duck_min = \"6s\"").unwrap_err().to_string(),
        "macadam.toml: `shutdown.lame_duck_min` is 6s, and the lame duck takes 5s at most; \
         raise `shutdown.lame_duck` to 6s, or lower the other"
    );
    for fine in [
        "[shutdown]\nlame_duck = \"5s\"\nlame_duck_min = \"5s\"",
        "[shutdown]\nlame_duck = \"500ms\"",
        "[shutdown]\nlame_duck = \"0s\"\nlame_duck_min = \"2s\"",
    ] {
        assert!(built(fine).is_ok(), "{fine}");
    }
}

#[test]
fn a_drain_that_nobody_chose_gives_way_to_a_short_budget_and_to_hooks_and_it_is_said() {
    let hook = || Hook::new("flush", async || Ok::<_, std::io::Error>(()));
    let built = |toml: &str, hook: Option<Hook>| {
        let road = Road::builder("own").settings(Settings::from_toml(toml).expect(toml));
        hook.into_iter().fold(road, RoadBuilder::hook).build()
    };
    let drain = |toml: &str, hook| built(toml, hook).expect(toml).settings().shutdown.drain;
    let lame_duck = "[shutdown]\nlame_duck = \"5s\"\n";
    let of = |rest: &str| format!("{lame_duck}{rest}");
    assert_eq!(drain(lame_duck, None), Duration::from_secs(20));
    assert_eq!(drain(lame_duck, Some(hook())), Duration::from_secs(20));
    assert_eq!(drain(&of("budget = \"18s\""), None), Duration::from_millis(12_400));
    assert_eq!(drain(&of("budget = \"18s\""), Some(hook())), Duration::from_secs(10));
    let limited = hook().limit(Duration::from_millis(4_400));
    assert_eq!(drain(&of("budget = \"18s\""), Some(limited)), Duration::from_secs(8));
    assert_eq!(drain(&of("budget = \"9s\""), Some(hook())), Duration::from_secs(1));
    let road = built(&of("budget = \"18s\""), Some(hook())).unwrap();
    let said: Vec<_> = road.settings().differing().collect();
    assert_eq!(said[1], "shutdown.drain = 10s (from what `shutdown.budget` leaves)");

    let too_short = built(&of("budget = \"6s\""), None).unwrap_err().to_string();
    assert!(
        too_short.contains("shutdown.lame_duck 5s + shutdown.drain 1s + closing 500ms + exit 100ms"),
        "{too_short}"
    );
    let chosen = built(&of("budget = \"18s\"\ndrain = \"20s\""), None).unwrap_err().to_string();
    assert!(chosen.contains("drain 20s") && chosen.contains("18s"), "{chosen}");
}
