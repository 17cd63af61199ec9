//! An arm's service as a process of its own.

use std::{
    env, io,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    time::Duration,
};

use tokio::time::Instant;

use crate::{arm::Arm, race::sleep_until};

/// Killed when it is dropped.
#[derive(Debug)]
pub(super) struct Server {
    process: Child,
    pub(super) address: SocketAddr,
}

impl Server {
    /// Starts the service of an arm with one worker: ours is `examples/torture`, a peer's is [`serve`](super::serve).
    ///
    /// # Panics
    ///
    /// If it does not run, or accepts nothing within ten seconds.
    pub(super) fn start(arm: Arm) -> Self {
        let [address, admin] = free_addresses().expect("there are free ports");
        let this = env::current_exe().expect("it knows where it is");
        let mut command = match arm {
            Arm::Ours => {
                let mut command = Command::new(this.with_file_name("torture"));
                command.env("MACADAM_LISTEN", address.to_string());
                command.env("MACADAM_ADMIN_LISTEN", admin.to_string());
                command
            }
            _ => {
                let mut command = Command::new(this);
                command.args(["serve", &arm.to_string(), &address.to_string()]);
                command
            }
        };
        let command = command.env("TOKIO_WORKER_THREADS", "1").stdin(Stdio::null()).stdout(Stdio::null());
        let process = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let server = Self { process, address };
        server.wait();
        server
    }

    fn wait(&self) {
        let until = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(self.address).is_err() {
            assert!(Instant::now() < until, "nobody accepts at {}", self.address);
            sleep_until(Instant::now() + Duration::from_millis(20));
        }
    }
}

impl Drop for Server {
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
