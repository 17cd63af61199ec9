//! The torture example as a process of its own, seen from outside.

use std::{net::SocketAddr, process::Stdio, time::Duration};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::{Child, Command},
    task::JoinHandle,
    time::{Instant, timeout},
};

pub(crate) const SERVICE: &str = env!("CARGO_BIN_EXE_torture");

/// A running service. It is killed when this is dropped.
pub(crate) struct Torture {
    child: Child,
    stdout: JoinHandle<String>,
    stderr: JoinHandle<String>,
    pub(crate) public: SocketAddr,
    pub(crate) admin: SocketAddr,
}

/// How a service ended.
#[derive(Debug)]
pub(crate) struct Exit {
    pub(crate) code: Option<i32>,
    pub(crate) after: Duration,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

/// Runs `program` with these variables, and no others that a service reads.
pub(crate) fn command(program: &str, variables: &[(&str, &str)]) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(|name| name.starts_with("MACADAM_") || name == "RUST_LOG") {
            command.env_remove(name);
        }
    }
    command
        .env("MACADAM_LISTEN", "127.0.0.1:0")
        .env("MACADAM_ADMIN_LISTEN", "127.0.0.1:0")
        .envs(variables.iter().copied())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    command
}

impl Torture {
    /// Starts it with these variables, and waits until it says where it listens.
    pub(crate) async fn start(variables: &[(&str, &str)]) -> Self {
        Self::run(command(SERVICE, variables)).await
    }

    /// Runs this command, which is a service in the end, and waits until it says where it listens.
    pub(crate) async fn run(mut command: Command) -> Self {
        let mut child = command.spawn().expect("the example runs");
        let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
        let stderr = child.stderr.take().map(BufReader::new);
        let stderr = tokio::spawn(async {
            match stderr {
                Some(stderr) => read_all(stderr).await,
                None => String::new(),
            }
        });
        let mut seen = String::new();
        let (mut public, mut admin) = (None, None);
        while public.is_none() || admin.is_none() {
            let line = timeout(Duration::from_secs(10), lines.next_line()).await.expect("it starts in time");
            let line = line.expect("it writes text").unwrap_or_else(|| panic!("it ended at once:\n{seen}"));
            let address = line
                .split("http://")
                .nth(1)
                .and_then(|rest| rest.split(['/', ' ', '"', ',']).next()?.parse().ok());
            if line.contains("serving on") {
                public = address;
            } else if line.contains("admin on") {
                admin = address;
            }
            seen.push_str(&line);
            seen.push('\n');
        }
        let stdout = tokio::spawn(async move { seen + &read_all(lines.into_inner()).await });
        let found = "the loop went on until both were found";
        Self { child, stdout, stderr, public: public.expect(found), admin: admin.expect(found) }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        let id = self.child.id().expect("it has not been waited for");
        let id = i32::try_from(id).ok().and_then(Pid::from_raw).expect("a process id");
        kill_process(id, signal).expect("it runs");
    }

    /// Waits for its end, at most so long.
    pub(crate) async fn exit(mut self, limit: Duration) -> Exit {
        let from = Instant::now();
        let status = timeout(limit, self.child.wait()).await.expect("it exits in time").expect("it is ours");
        Exit {
            code: status.code(),
            after: from.elapsed(),
            stdout: self.stdout.await.expect("its output was read"),
            stderr: self.stderr.await.expect("its output was read"),
        }
    }
}

/// Runs it with settings that are wrong, to its end.
pub(crate) async fn refused(variables: &[(&str, &str)]) -> Exit {
    let from = Instant::now();
    let output = command(SERVICE, variables).output();
    let output =
        timeout(Duration::from_secs(10), output).await.expect("it exits by itself").expect("it runs");
    Exit {
        code: output.status.code(),
        after: from.elapsed(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

async fn read_all(reader: impl AsyncRead + AsyncBufReadExt + Unpin) -> String {
    let mut lines = reader.lines();
    let mut all = String::new();
    while let Ok(Some(line)) = lines.next_line().await {
        all.push_str(&line);
        all.push('\n');
    }
    all
}
