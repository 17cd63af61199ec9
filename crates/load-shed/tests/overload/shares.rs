//! Who gets what there is.

use super::{Stream, offer};
use macadam_core::{Criticality, Gauges};
use macadam_load_shed::{LoadShedHandle, LoadShedLayer};
use tokio::time::Duration;

fn client(head: &http::request::Parts) -> u16 {
    head.headers["client"].to_str().unwrap().parse().unwrap()
}

#[tokio::test(start_paused = true)]
async fn nine_modest_tenants_do_not_notice_the_greedy_one() {
    let greedy = Stream { client: 0, load: 2.0 };
    let modest = (1..10).map(|client| Stream { client, load: 0.05 });
    let streams: Vec<_> = std::iter::once(greedy).chain(modest).collect();
    let layer = LoadShedLayer::adaptive().tenant(|head| Some(client(head)));
    let (accounts, handle) = offer(layer, &streams, Duration::from_secs(2), Duration::from_secs(5)).await;
    assert!(refused(&handle, "tenant") > 1000.0);
    for modest in &accounts[1..] {
        assert!(modest.served() >= 0.99, "{modest:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_critical_is_served_and_what_is_not_gets_the_rest() {
    let streams = [Stream { client: 0, load: 0.8 }, Stream { client: 1, load: 1.2 }];
    let layer = LoadShedLayer::adaptive().criticality(|head| match client(head) {
        0 => Criticality::Critical,
        _ => Criticality::Sheddable,
    });
    let (accounts, handle) = offer(layer, &streams, Duration::from_secs(2), Duration::from_secs(8)).await;
    assert!(accounts[0].served() >= 0.995, "{accounts:?}");
    // A sixth of 1.2 is the fifth of the capacity that is left.
    assert!(accounts[1].served() >= 0.05, "{accounts:?}");
    assert!(refused(&handle, "criticality") > 1000.0);
}

fn refused(handle: &LoadShedHandle, reason: &str) -> f64 {
    let mut refused = 0.0;
    handle.read(&mut |reading| {
        if reading.labels == [("reason", reason)] {
            refused = reading.value;
        }
    });
    refused
}
