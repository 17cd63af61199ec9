//! A real Prometheus and a real OpenTelemetry collector, and what they understand of what a service tells.

mod client;
mod conventions;
mod decoded;
mod ending;
mod exemplars;
mod load;
mod prometheus;
mod promtool;
mod queries;
mod rotel;
mod scraped;
mod table;

use std::fs;
use std::path::Path;
use std::time::Duration;

use self::prometheus::Prometheus;
use self::rotel::Rotel;
use self::table::Table;
use crate::service::Service;
use crate::stopwatch::Stopwatch;
use crate::telemetry::Registry;
use crate::{Result, http, target};

#[derive(clap::Args)]
pub(crate) struct Args {
    /// For how long each collector watches the load
    #[arg(long, value_name = "DURATION", default_value = "1m", value_parser = humantime::parse_duration)]
    load: Duration,

    /// How many times 100 ms a service may end later than by its flush timeout, on a machine that has other work too
    #[arg(long, default_value_t = 1)]
    lenience: u32,
}

/// Has both watch `examples/torture` under a load of requests of every kind, and prints a table of what is claimed of that: some
/// three minutes. What they wrote stays in the target folder.
///
/// # Errors
/// Where something cannot be installed or does not run, or where a claim does not hold; the table says which.
pub(crate) fn run(args: &Args) -> Result {
    prometheus::install()?;
    let rotel = rotel::install(&target().join("collectors/pip"))?;
    let registry = Registry::read()?;
    let folder = target().join("collectors/run");
    if folder.exists() {
        fs::remove_dir_all(&folder)?;
    }
    fs::create_dir_all(&folder)?;
    let mut table = Table::default();
    let stopwatch = Stopwatch::start();
    let done = scraped(&mut table, &folder, args.load, &registry)
        .and_then(|()| exported(&mut table, &folder, &rotel, args.load, &registry))
        .and_then(|()| ending::check(&mut table, &folder, &rotel, args.lenience));
    println!("\n{table}\n{stopwatch}; logs are in {}", folder.display());
    done.and_then(|()| table.verdict())
}

/// The same in less than a minute, for CI.
pub(crate) fn run_short() -> Result {
    run(&Args { load: Duration::from_secs(8), lenience: 5 })
}

/// What Prometheus makes of the metrics, of the rules, and of the dashboard's queries.
fn scraped(table: &mut Table, folder: &Path, time: Duration, registry: &Registry) -> Result {
    let log = folder.join("scraped.log");
    let mut service = torture(&log, &[])?;
    service.get_ok(service.admin, "/readyz", START)?;
    let prometheus = Prometheus::start(folder, service.admin)?;
    let up = prometheus.is_up()?;
    table.row("Prometheus' target is up", up, true, up);
    let sent = load::run(service.listen, time)?;
    scraped::counts(table, &prometheus, &sent)?;
    scraped::metadata(table, &prometheus, registry)?;
    exemplars::check(table, &prometheus, &log)?;
    let metrics = http::get(service.admin, "/metrics")?;
    promtool::check(table, &metrics.body)?;
    queries::check(table, &prometheus)?;
    // At its level of warnings: of samples and exemplars that it had to leave out, it says so there.
    let said = fs::read_to_string(folder.join("prometheus.log"))?;
    table.row("lines that Prometheus has logged", said.lines().count(), 0, said.is_empty());
    Ok(())
}

/// What a collector decodes, by the conventions.
fn exported(table: &mut Table, folder: &Path, rotel: &Path, time: Duration, registry: &Registry) -> Result {
    let rotel = Rotel::start(rotel, folder)?;
    let endpoint = format!("http://{}", rotel.address);
    let service = torture(
        &folder.join("exported.log"),
        &[
            ("OTEL_EXPORTER_OTLP_ENDPOINT", &endpoint),
            ("OTEL_METRIC_EXPORT_INTERVAL", "1000"),
            ("OTEL_BSP_SCHEDULE_DELAY", "500"),
            ("OTEL_BLRP_SCHEDULE_DELAY", "500"),
        ],
    )?;
    let sent = load::run(service.listen, time)?;
    service.terminate(STOP)?;
    conventions::check(table, &rotel.decoded()?, &sent, registry);
    Ok(())
}

/// The service, as the load wants it.
fn torture(log: &Path, settings: &[(&'static str, &str)]) -> Result<Service> {
    let settings = [load::SETTINGS, &[("MACADAM_TELEMETRY_LOGS", "json")], settings].concat();
    let mut service = Service::start_with_log("torture", &settings, log)?;
    service.get_ok(service.listen, "/livez", START)?;
    Ok(service)
}

const START: Duration = Duration::from_secs(30);
const STOP: Duration = Duration::from_secs(30);
