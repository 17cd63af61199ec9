//! What the process takes, as it says itself.

#![cfg(target_os = "linux")]

use std::{collections::BTreeMap, fs::File, hint::black_box, sync::Barrier, thread, time::Duration};

use macadam_core::Gauges;
use macadam_telemetry::Process;
use tokio::{runtime::Handle, time::Instant};

fn figures(process: &Process) -> BTreeMap<String, f64> {
    let mut figures = BTreeMap::new();
    process.read(&mut |reading| {
        let labels: String = reading.labels.iter().map(|(_, value)| format!(" {value}")).collect();
        let known = process.metrics().iter().find(|metric| metric.name == reading.name);
        let names: Vec<_> = reading.labels.iter().map(|(name, _)| *name).collect();
        assert_eq!(known.expect("it is said what it means").labels, names);
        figures.insert(format!("{}{labels}", reading.name), reading.value);
    });
    figures
}

#[tokio::test]
async fn memory_descriptors_threads_and_time_move_as_they_are_taken() {
    let process = Process::new(Handle::current());
    let before = figures(&process);
    let bytes = vec![1_u8; 32 << 20];
    // So many that another test's few make no difference.
    let files: Vec<_> = (0..100).map(|_| File::open("/dev/null").expect("it opens")).collect();
    let stop = Barrier::new(21);
    let after = thread::scope(|scope| {
        (0..20).for_each(|_| drop(scope.spawn(|| stop.wait())));
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(60) {
            black_box(&bytes);
        }
        let after = figures(&process);
        stop.wait();
        after
    });
    let grown = |name: &str| after[name] - before[name];
    assert!(grown("process_memory_usage_bytes") > 30e6, "{before:?} {after:?}");
    assert!(grown("process_memory_virtual_bytes") > 30e6);
    assert!(grown("process_open_fds") >= 80.0);
    assert!(grown("process_threads") >= 10.0);
    assert!(grown("process_uptime_seconds") > 0.0);
    assert!(grown("process_cpu_time_seconds_total user") >= 0.03);
    assert_eq!(after["tokio_runtime_workers"], 1.0);
    drop((bytes, files));
}

#[tokio::test]
async fn tasks_of_the_runtime_are_counted() {
    let process = Process::new(Handle::current());
    let tasks: Vec<_> = (0..5).map(|_| tokio::spawn(std::future::pending::<()>())).collect();
    assert_eq!(figures(&process)["tokio_runtime_alive_tasks"], 5.0);
    tasks.iter().for_each(tokio::task::JoinHandle::abort);
    tokio::task::yield_now().await;
    assert_eq!(figures(&process)["tokio_runtime_alive_tasks"], 0.0);
}
