//! The service, as a process of its own.

use std::{
    env, fs, io,
    net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use tokio::time::Instant;

/// Killed when it is dropped.
pub(crate) struct Server {
    process: Child,
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts `torture`, which is where this binary is, with these settings.
    ///
    /// # Panics
    ///
    /// If it does not run, or accepts nothing within ten seconds.
    pub(crate) fn start(settings: &[(&str, String)]) -> Self {
        let [address, admin] = free_addresses().expect("there are free ports");
        let this = env::current_exe().expect("it knows where it is");
        let mut command = Command::new(this.with_file_name("torture"));
        command
            .env("MACADAM_LISTEN", address.to_string())
            .env("MACADAM_ADMIN_LISTEN", admin.to_string())
            .env("MACADAM_TELEMETRY_LOGS", "off")
            .envs(settings.iter().map(|(key, value)| (key, value)))
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        let process = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let server = Self { process, address };
        let until = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(address).is_err() {
            assert!(Instant::now() < until, "nobody accepts at {address}");
            pause(Duration::from_millis(20));
        }
        server
    }

    /// What part of a core it uses from now on, for so long.
    pub(crate) fn cpu_during(&self, time: Duration) -> f64 {
        let (spent, begun) = (self.cpu(), Instant::now());
        pause(time);
        (self.cpu() - spent).as_secs_f64() / begun.elapsed().as_secs_f64()
    }

    /// The time of all cores that it has used so far, to 10 ms.
    pub(crate) fn cpu(&self) -> Duration {
        let stat = fs::read_to_string(format!("/proc/{}/stat", self.process.id())).unwrap_or_default();
        // After the name, which may hold anything: by proc(5) user and system time are the 14th and 15th field.
        let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace();
        let ticks: u64 = fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
        Duration::from_millis(ticks * 10)
    }

    /// Bytes that it has in memory.
    pub(crate) fn memory(&self) -> u64 {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id())).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
        line.split_whitespace().next().and_then(|kilobytes| kilobytes.parse::<u64>().ok()).unwrap_or_default()
            << 10
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

#[expect(clippy::disallowed_methods, reason = "for threads without a runtime")]
pub(crate) fn pause(time: Duration) {
    thread::sleep(time);
}
