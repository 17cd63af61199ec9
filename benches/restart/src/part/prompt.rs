//! How soon it is over.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use tokio::time::Instant;

use super::Plan;
use crate::{
    Result, doing,
    instance::{Arm, Follow, Post, Service},
    load::pause,
    table::{Row, Verdict},
};

pub(super) fn run(plan: &Plan, add: &mut dyn FnMut(Row)) {
    let idle =
        ("nothing in flight, no lame duck: from the signal to the exit", signal_to_exit as Measure, 30);
    // The exit is after the end of the drain, so that this is no less than what is asked for.
    let last = ("from the last byte of the last answer to the exit", last_byte_to_exit as Measure, 10);
    for (what, measure, limit) in [idle, last] {
        add(row(plan, what, measure, Duration::from_millis(limit)));
    }
}

type Measure = fn(Service) -> Result<Duration>;

fn row(plan: &Plan, what: &str, measure: Measure, limit: Duration) -> Row {
    let must = format!("p99 ≤ {limit:?}");
    let ours = match times(plan, what, measure, Arm::Macadam) {
        Ok(ours) => ours,
        Err(error) => return Row::broken(what.into(), &must, &*error),
    };
    let control = if plan.control { times(plan, what, measure, Arm::Axum) } else { Ok(Vec::new()) };
    // A busy machine's CI only shows that it ends.
    let limit = if plan.is_quick { limit * 20 } else { limit };
    Row {
        what: what.into(),
        measured: summary(&ours),
        must,
        control: control.map_or_else(|error| error.to_string(), |times| summary(&times)),
        verdict: Verdict::of(at(&ours, 0.99) <= limit),
    }
}

fn times(plan: &Plan, what: &str, measure: Measure, arm: Arm) -> Result<Vec<Duration>> {
    doing(&format!("{what}, {arm}: {} times", plan.restarts));
    let service = plan.service(arm, Follow::Gap, Duration::ZERO);
    let mut times: Vec<_> = (0..plan.restarts).map(|_| measure(service)).collect::<Result<_>>()?;
    times.sort_unstable();
    Ok(times)
}

fn signal_to_exit(service: Service) -> Result<Duration> {
    let instance = Post::start(service)?.into_instance()?;
    let begun = Instant::now();
    instance.terminate()?;
    Ok(instance.exit()? - begun)
}

fn last_byte_to_exit(service: Service) -> Result<Duration> {
    let post = Post::start(service)?;
    let mut stream = TcpStream::connect(post.address)?;
    let instance = post.into_instance()?;
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    stream.write_all(b"GET /io?ms=150 HTTP/1.1\r\nhost: prompt\r\n\r\n")?;
    pause(Duration::from_millis(50));
    instance.terminate()?;
    let mut answer = Vec::new();
    let mut piece = [0; 4096];
    while !answer.ends_with(b"\r\n\r\nok") {
        let read = stream.read(&mut piece)?;
        if read == 0 {
            return Err("the request in flight was not answered".into());
        }
        answer.extend_from_slice(&piece[..read]);
    }
    let over = Instant::now();
    // As a client does that was told to close.
    drop(stream);
    Ok(instance.exit()?.saturating_duration_since(over))
}

fn summary(sorted: &[Duration]) -> String {
    if sorted.is_empty() {
        return "–".into();
    }
    let millis = |quantile| at(sorted, quantile).as_secs_f64() * 1000.0;
    format!("p50 {:.1} ms, p99 {:.1} ms, of {}", millis(0.5), millis(0.99), sorted.len())
}

/// The least of them that is not exceeded by more than the rest: of a hundred at 0.99, the last but one.
fn at(sorted: &[Duration], quantile: f64) -> Duration {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index"
    )]
    let rank = (sorted.len() as f64 * quantile).ceil() as usize;
    sorted[rank.clamp(1, sorted.len()) - 1]
}
