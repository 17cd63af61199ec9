//! Requests on idle connections around the very moment of the signal.

use std::{
    fmt, io,
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use tokio::time::Instant;

use super::{LAME_DUCK, Plan};
use crate::{
    Result, doing,
    ending::grouped,
    instance::{Arm, Follow, Instance, Post},
    load::uniform,
    table::{Row, Verdict},
};

pub(super) fn run(plan: &Plan, add: &mut dyn FnMut(Row)) {
    let control = plan.control.then(|| shutdowns(plan, Arm::Axum, Duration::ZERO));
    for (what, lame_duck, allowed) in
        [("lame duck of 1 s", LAME_DUCK, 0.0), ("no lame duck", Duration::ZERO, 0.002)]
    {
        let must = if allowed > 0.0 { "≤ 0.2 % lost" } else { "0 lost" };
        let ours = match shutdowns(plan, Arm::Macadam, lame_duck) {
            Ok(ours) => ours,
            Err(error) => {
                add(Row::broken(what.into(), must, &*error));
                continue;
            }
        };
        let expected = ours.sent as f64 * allowed;
        // A few shutdowns may lose one request by chance, which is then far above its share.
        let most = if plan.is_quick { poisson_bound(expected) } else { expected };
        let mut verdict = Verdict::of(ours.sent > 0 && ours.lost as f64 <= most);
        let control = match &control {
            None => "–".into(),
            Some(Err(error)) => error.to_string(),
            Some(Ok(control)) => {
                // In a few shutdowns of a busy machine every request may have been answered before the signal was seen.
                let lost_enough = control.lost as f64 >= control.sent as f64 * AT_LEAST;
                if !plan.is_quick && !lost_enough && verdict.is_good() {
                    verdict = Verdict::ControlPassed;
                }
                control.to_string()
            }
        };
        add(Row { what: what.into(), measured: ours.to_string(), must: must.into(), control, verdict });
    }
}

/// The count that chance exceeds in less than one run of a thousand, where so many are expected.
fn poisson_bound(expected: f64) -> f64 {
    let mut count = 0.0;
    let mut probability = (-expected).exp();
    let mut up_to = probability;
    while up_to < 0.999 {
        count += 1.0;
        probability *= expected / count;
        up_to += probability;
    }
    count
}

/// What became of the requests.
#[derive(Default)]
struct Sum {
    /// Written whole on a connection on which nothing had come.
    sent: u64,
    lost: u64,
    /// Not sent: the end had been seen.
    warned: u64,
}

impl fmt::Display for Sum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sent, lost, warned } = self;
        let share = *lost as f64 / (*sent).max(1) as f64 * 100.0;
        write!(f, "{lost} of {} lost ({share:.2} %); {} saw the end before", grouped(*sent), grouped(*warned))
    }
}

fn shutdowns(plan: &Plan, arm: Arm, lame_duck: Duration) -> Result<Sum> {
    let mut sum = Sum::default();
    let mut random = ChaCha8Rng::seed_from_u64(plan.seed);
    for number in 0..plan.restarts {
        if number % 10 == 0 {
            doing(&format!("race, {arm}, lame duck {lame_duck:?}: {number} of {}, {sum}", plan.restarts));
        }
        let post = Post::start(plan.service(arm, Follow::Gap, lame_duck))?;
        let address = post.address;
        let mut offsets: Vec<_> =
            (0..plan.connections).map(|_| AROUND.mul_f64(2.0 * uniform(&mut random))).collect();
        offsets.sort_unstable();
        one(address, post.into_instance()?, &offsets, &mut sum)?;
    }
    Ok(sum)
}

/// One shutdown: every client sends one request, at its offset from 2 ms before the signal.
fn one(address: SocketAddr, instance: Instance, offsets: &[Duration], sum: &mut Sum) -> Result {
    let clients: Vec<_> = offsets.iter().map(|_| idle(address)).collect::<io::Result<_>>()?;
    let begin = Instant::now() + Duration::from_millis(10);
    let mut is_told = false;
    let mut senders = Vec::new();
    for (mut client, offset) in clients.into_iter().zip(offsets) {
        if !is_told && *offset >= AROUND {
            spin_until(begin + AROUND);
            instance.terminate()?;
            is_told = true;
        }
        spin_until(begin + *offset);
        let is_silent =
            matches!(client.peek(&mut [0]), Err(error) if error.kind() == io::ErrorKind::WouldBlock);
        if is_silent && client.write(GET).is_ok_and(|written| written == GET.len()) {
            senders.push(client);
        } else {
            sum.warned += 1;
        }
    }
    if !is_told {
        instance.terminate()?;
    }
    for mut client in senders {
        client.set_nonblocking(false)?;
        sum.sent += 1;
        sum.lost += u64::from(!matches!(client.read(&mut [0; 1024]), Ok(1..)));
    }
    instance.exit()?;
    Ok(())
}

/// A connection that has had one answer.
fn idle(address: SocketAddr) -> io::Result<TcpStream> {
    let mut client = TcpStream::connect(address)?;
    client.set_nodelay(true)?;
    client.set_read_timeout(Some(Duration::from_secs(5)))?;
    client.write_all(GET)?;
    if client.read(&mut [0; 1024])? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    client.set_nonblocking(true)?;
    Ok(client)
}

/// A sleep would be too coarse.
fn spin_until(at: Instant) {
    while Instant::now() < at {
        std::hint::spin_loop();
    }
}

const AROUND: Duration = Duration::from_millis(2);
/// What the control loses at least; half of all was measured when this was written.
const AT_LEAST: f64 = 0.01;
const GET: &[u8] = b"GET /context HTTP/1.1\r\nhost: race\r\n\r\n";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_is_granted_what_it_takes_once_in_a_thousand_runs() {
        // e^-0.3 = 0.7408; with 1, 2 and 3 of them 0.9631, 0.9964 and 0.9997.
        assert_eq!(poisson_bound(0.3), 3.0);
        assert_eq!(poisson_bound(0.0), 0.0, "none is allowed where none is expected");
        assert_eq!(poisson_bound(0.0009), 0.0);
        assert_eq!(poisson_bound(0.0011), 1.0);
    }
}
