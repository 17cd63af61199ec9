//! The service, as a process of its own.

use std::{
    env, io,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    time::Duration,
};

use tokio::time::Instant;

use crate::load::pause;

/// Killed when it is dropped.
pub(crate) struct Service {
    process: Child,
    pub(crate) public: SocketAddr,
    pub(crate) admin: SocketAddr,
}

impl Service {
    /// Starts `torture`, which is where this binary is, with two workers and all other defaults.
    ///
    /// # Panics
    ///
    /// If it does not run, or accepts nothing within ten seconds.
    pub(crate) fn start() -> Self {
        let [public, admin] = free_addresses().expect("there are free ports");
        let this = env::current_exe().expect("it knows where it is");
        let mut command = Command::new(this.with_file_name("torture"));
        command
            .env("MACADAM_LISTEN", public.to_string())
            .env("MACADAM_ADMIN_LISTEN", admin.to_string())
            .env("MACADAM_TELEMETRY_LOGS", "off")
            .env("TOKIO_WORKER_THREADS", WORKERS.to_string())
            .env("TORTURE_POOL", SLOTS.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let process = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let service = Self { process, public, admin };
        let until = Instant::now() + Duration::from_secs(10);
        for address in [public, admin] {
            while TcpStream::connect(address).is_err() {
                assert!(Instant::now() < until, "nobody accepts at {address}");
                pause(Duration::from_millis(20));
            }
        }
        service
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It has ended already where all went wrong, and then both are refused.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Two ports that nobody holds: both are taken before either is let go, so that they differ.
fn free_addresses() -> io::Result<[SocketAddr; 2]> {
    let listen = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let listeners = [listen()?, listen()?];
    Ok([listeners[0].local_addr()?, listeners[1].local_addr()?])
}

pub(crate) const WORKERS: usize = 2;
/// Of its pool, of which each is taken for 10 ms.
pub(crate) const SLOTS: usize = 16;
