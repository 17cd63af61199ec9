//! The agent that HAProxy asks, over sockets and by HAProxy itself.

#![expect(clippy::unwrap_used, reason = "a test that unwraps what is not there has failed")]

use std::{
    fs,
    io::{self, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    os::unix::net::UnixStream,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use macadam_admin::{Admin, AdminHandle};
use macadam_core::{Phase, PhaseOwner};
use macadam_health::Health;
use tokio::time::{Instant, sleep};

fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// A process that is serving, and an agent that tells of it.
fn serving() -> (PhaseOwner, AdminHandle, SocketAddr) {
    let owner = PhaseOwner::new();
    let health = Health::builder().phase(owner.watch()).build().unwrap();
    owner.advance(Phase::Serving, None);
    let agent = free_address();
    let admin = Admin::bind("127.0.0.1:0".parse().unwrap(), health).unwrap();
    (owner, admin.agent_check(agent).unwrap().spawn().unwrap(), agent)
}

/// What it says, until it closes. One too many is closed without a word, or reset.
fn try_ask(agent: SocketAddr, first: &[u8]) -> io::Result<String> {
    let mut stream = TcpStream::connect(agent)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(first)?;
    let mut line = String::new();
    stream.read_to_string(&mut line)?;
    Ok(line)
}

fn ask(agent: SocketAddr, first: &[u8]) -> String {
    try_ask(agent, first).unwrap_or_default()
}

#[test]
fn it_says_a_line_and_closes_whatever_it_is_sent() {
    let (owner, _admin, agent) = serving();
    assert_eq!(ask(agent, b""), "up ready\n");
    assert_eq!(ask(agent, b"orders\n"), "up ready\n", "as with agent-send");
    owner.advance(Phase::LameDuck, None);
    assert_eq!(ask(agent, b""), "up drain\n");
}

#[tokio::test]
async fn who_holds_its_connections_open_keeps_nobody_from_an_answer_for_long() {
    let (_owner, _admin, agent) = serving();
    let idle: Vec<_> = (0..200).map(|_| TcpStream::connect(agent).unwrap()).collect();
    let start = Instant::now();
    while ask(agent, b"") != "up ready\n" {
        assert!(start.elapsed() < Duration::from_secs(10));
        sleep(Duration::from_millis(20)).await;
    }
    drop(idle);
}

#[tokio::test]
async fn an_address_that_is_taken_is_waited_for_and_given_back_at_the_end() {
    let before = TcpListener::bind("127.0.0.1:0").unwrap();
    let agent = before.local_addr().unwrap();
    let health = Health::builder().build().unwrap();
    let admin = Admin::bind("127.0.0.1:0".parse().unwrap(), health).unwrap();
    let admin = admin.agent_check(agent).unwrap().spawn().unwrap();
    drop(before);
    let start = Instant::now();
    // A child that another test is about to start may hold the first listener for a moment more.
    while ask(agent, b"") != "up ready\n" {
        assert!(start.elapsed() < Duration::from_secs(10));
        sleep(Duration::from_millis(20)).await;
    }
    admin.stop();
    assert_eq!(ask(agent, b""), "");
}

/// Shown where there is an HAProxy, as in CI.
#[tokio::test]
async fn haproxy_drains_the_server_with_the_lame_duck_and_takes_the_next_process_up_again() {
    let Some(program) = HAProxy::program() else { return };
    let (owner, admin, agent) = serving();
    let haproxy = HAProxy::start(&program, agent);
    haproxy.sees("UP").await;
    owner.advance(Phase::LameDuck, None);
    haproxy.sees("DRAIN (agent)").await;
    admin.stop();

    // It fails no check meanwhile: who does not answer has said nothing new.
    let health = Health::builder().build().unwrap();
    let admin = Admin::bind("127.0.0.1:0".parse().unwrap(), health).unwrap();
    let _admin = admin.agent_check(agent).unwrap().spawn().unwrap();
    haproxy.sees("UP").await;
}

#[tokio::test]
async fn haproxy_takes_a_server_down_that_is_not_ready_and_knows_why() {
    let Some(program) = HAProxy::program() else { return };
    let owner = PhaseOwner::new();
    let health = Health::builder().phase(owner.watch()).build().unwrap();
    let agent = free_address();
    let admin = Admin::bind("127.0.0.1:0".parse().unwrap(), health).unwrap();
    let _admin = admin.agent_check(agent).unwrap().spawn().unwrap();
    let haproxy = HAProxy::start(&program, agent);
    haproxy.sees("DOWN (agent)").await;
    assert!(haproxy.stat().contains("readyz failed: starting"), "{}", haproxy.stat());
    owner.advance(Phase::Serving, None);
    haproxy.sees("UP").await;
}

/// HAProxy with one server, whose agent it asks ten times a second. Killed when it is dropped.
struct HAProxy {
    process: Child,
    /// The server's own port, which is there throughout.
    _server: TcpListener,
    folder: PathBuf,
}

impl HAProxy {
    /// Where Debian has it, which is not on everybody's path.
    fn program() -> Option<PathBuf> {
        let path = std::env::var_os("PATH").unwrap_or_default();
        let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
        folders.map(|folder| folder.join("haproxy")).find(|program| program.is_file())
    }

    fn start(program: &Path, agent: SocketAddr) -> Self {
        let folder =
            std::env::temp_dir().join(format!("macadam-agent-{}-{}", std::process::id(), agent.port()));
        fs::create_dir_all(&folder).unwrap();
        let config = folder.join("config");
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let text = CONFIG
            .replace("FOLDER", folder.to_str().unwrap())
            .replace("SERVER", &server.local_addr().unwrap().to_string())
            .replace("AGENT", &agent.port().to_string());
        fs::write(&config, text).unwrap();
        let mut command = Command::new(program);
        command.arg("-db").arg("-f").arg(&config).stdout(Stdio::null()).stderr(Stdio::null());
        Self { process: command.spawn().unwrap(), _server: server, folder }
    }

    /// What it shows of the server: `show stat`, a line of it.
    fn stat(&self) -> String {
        let mut text = String::new();
        if let Ok(mut stats) = UnixStream::connect(self.folder.join("stats")) {
            stats.write_all(b"show stat\n").unwrap();
            stats.read_to_string(&mut text).unwrap();
        }
        text.lines().find(|line| line.starts_with("out,s,")).unwrap_or_default().to_owned()
    }

    async fn sees(&self, status: &str) {
        let start = Instant::now();
        // The eighteenth column, by its manual.
        while self.stat().split(',').nth(17) != Some(status) {
            assert!(start.elapsed() < Duration::from_secs(20), "not {status}: {}", self.stat());
            sleep(Duration::from_millis(20)).await;
        }
    }
}

impl Drop for HAProxy {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

const CONFIG: &str = "\
global
  stats socket FOLDER/stats
defaults
  mode http
  timeout connect 1s
  timeout client 1s
  timeout server 1s
frontend in
  bind unix@FOLDER/in
  default_backend out
backend out
  server s SERVER check inter 1s agent-check agent-port AGENT agent-inter 100ms
";
