//! A log that has lost lines says so, however little room there is.

use std::{
    io::{self, Write},
    sync::{
        Arc, Mutex,
        mpsc::{Receiver, sync_channel},
    },
    time::Duration,
};

use macadam_telemetry::{
    Resource,
    logs::{JsonLayer, LogWriter, Repeats},
};
use serde_json::Value;
use tracing_subscriber::{fmt::MakeWriter, layer::SubscriberExt, util::SubscriberInitExt};

/// Takes a buffer for each permit.
struct Slow {
    permits: Receiver<()>,
    written: Arc<Mutex<Vec<u8>>>,
}

impl Write for Slow {
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        self.permits.recv().map_err(io::Error::other)?;
        self.written.lock().expect("nobody panics").extend_from_slice(lines);
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn all_that_was_lost_is_told_though_the_queue_was_full_to_the_last_byte_when_there_was_room_again() {
    let (permit, permits) = sync_channel(1024);
    let written = Arc::<Mutex<_>>::default();
    let writer =
        LogWriter::spawn(Slow { permits, written: Arc::clone(&written) }).expect("there is a thread");
    let json = JsonLayer::new(writer.clone(), &Resource::new("orders", None), Repeats::new(0));
    // The thread that writes has no other subscriber.
    tracing_subscriber::registry().with(json).init();

    let serving = writer.unawaited();
    // What fills four mebibytes exactly, three times: as much is written, waits, and is lost.
    let line = [&[b'x'; 1023][..], b"\n"].concat();
    for _ in 0..3 * 4096 {
        writer.make_writer().write_all(&line).expect("it takes all");
    }
    let lost = writer.dropped();
    assert!(lost >= 4096);
    while permit.try_send(()).is_ok() {}
    assert!(writer.flush(Duration::from_secs(10)));
    drop(serving);

    let written = String::from_utf8(written.lock().expect("nobody panics").clone()).expect("text");
    let told: Vec<Value> = written
        .lines()
        .filter(|line| !line.starts_with('x'))
        .map(|line| serde_json::from_str(line).expect("an object"))
        .collect();
    assert!(told.iter().all(|line| line["target"] == "macadam::logs"), "{told:?}");
    assert_eq!(told.iter().filter_map(|line| line["lines"].as_u64()).sum::<u64>(), lost);
    assert_eq!(writer.dropped(), lost, "the line that says so is none of them");
}
