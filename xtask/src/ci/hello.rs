//! The smoke test: `examples/hello`, black box.

use std::time::Duration;

use crate::Result;
use crate::service::Service;

/// From its start to its first answer, on a machine that is busy.
const START: Duration = Duration::from_secs(30);
/// From SIGTERM to the exit, with nothing in flight.
const STOP: Duration = Duration::from_secs(15);

pub(super) fn run() -> Result {
    let mut service = Service::start("hello", &[])?;

    let answer = service.get_ok(service.listen, "/", START)?;
    let id = answer.header("x-request-id").filter(|id| !id.is_empty());
    println!("  x-request-id: {}", id.ok_or("the answer has no x-request-id")?);

    service.get_ok(service.admin, "/readyz?verbose", START)?;

    let (status, _) = service.terminate(STOP)?;
    if status.success() { Ok(()) } else { Err(format!("hello did not end with 0: {status}").into()) }
}
