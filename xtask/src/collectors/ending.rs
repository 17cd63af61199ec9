//! How long a service takes to end, whatever its collector does.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::Duration;

use super::rotel::Rotel;
use super::table::Table;
use super::{load, torture};
use crate::Result;
use crate::service::free_addresses;

/// What a service has for its last words to the collector.
const FLUSH: Duration = Duration::from_secs(1);
/// What it may take besides, and how exactly its exit is seen.
const LEEWAY: Duration = Duration::from_millis(100);

pub(super) fn check(table: &mut Table, folder: &Path, rotel: &Path, lenience: u32) -> Result {
    let collector = Rotel::start(rotel, folder)?;
    let healthy = end(table, "healthy", collector.address, folder)?;
    drop(collector);
    let must = healthy + FLUSH + LEEWAY * lenience;
    let [dead, _] = free_addresses()?;
    // The kernel accepts for it, and nobody answers.
    let hanging = TcpListener::bind("127.0.0.1:0")?;
    for (collector, address) in [("dead", dead), ("hanging", hanging.local_addr()?)] {
        let after = end(table, collector, address, folder)?;
        let claim = format!("the collector is {collector}: from SIGTERM to the exit");
        let seconds = |time: Duration| format!("{:.2} s", time.as_secs_f64());
        table.row(&claim, seconds(after), format_args!("≤ {}", seconds(must)), after <= must);
    }
    Ok(())
}

/// Ends a service that has much to tell; says how long that took.
fn end(table: &mut Table, collector: &str, address: SocketAddr, folder: &Path) -> Result<Duration> {
    let endpoint = format!("http://{address}");
    let settings = [
        ("OTEL_EXPORTER_OTLP_ENDPOINT", &*endpoint),
        ("MACADAM_TELEMETRY_FLUSH_TIMEOUT", "1s"),
        ("MACADAM_SHUTDOWN_LAME_DUCK", "0s"),
    ];
    let service = torture(&folder.join(format!("{collector}.log")), &settings)?;
    load::run(service.listen, Duration::ZERO)?;
    let (status, after) = service.terminate(Duration::from_secs(30))?;
    let claim = format!("the collector is {collector}: the service's exit code");
    table.row(&claim, status, "exit status: 0", status.success());
    Ok(after)
}
