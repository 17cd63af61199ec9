//! Real servers, each a child of ours in a folder of its own.

use std::{
    env, fmt, fs,
    fs::{File, Permissions},
    net::{SocketAddr, TcpListener},
    os::unix::{fs::PermissionsExt, fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    process::{self, Child, Command, Stdio},
    time::Duration,
};

use rustix::process::{Pid, Signal, geteuid, kill_process};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::{Instant, sleep, timeout},
};

use crate::{
    Result,
    service::{PASSWORD, USER},
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Postgres,
    Redis,
}

/// Killed when it is dropped, and its folder removed.
pub(crate) struct Server {
    pub(crate) kind: Kind,
    pub(crate) address: SocketAddr,
    folder: PathBuf,
    process: Option<Child>,
    frozen: Vec<Pid>,
}

impl Server {
    pub(crate) async fn start(kind: Kind) -> Result<Self> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let folder = env::temp_dir().join(format!("macadam-outage-{}-{kind}", process::id()));
        fs::create_dir(&folder)?;
        let mut server = Self { kind, address, folder, process: None, frozen: Vec::new() };
        server.prepare()?;
        server.restart().await?;
        Ok(server)
    }

    fn prepare(&self) -> Result {
        fs::set_permissions(&self.folder, Permissions::from_mode(0o700))?;
        if self.kind == Kind::Redis {
            return Ok(());
        }
        if let Some((user, group)) = postgres_user()? {
            chown(&self.folder, Some(user), Some(group))?;
        }
        let password = self.folder.join("password");
        fs::write(&password, PASSWORD)?;
        let mut initdb = self.command("initdb")?;
        initdb.args(["--auth=scram-sha-256", "--no-sync", "--locale=C", "--username", USER]);
        let output = initdb.arg("--pwfile").arg(password).arg(self.folder.join("data")).output()?;
        if output.status.success() {
            return Ok(());
        }
        Err(format!("initdb: {}: {}", output.status, String::from_utf8_lossy(&output.stderr)).into())
    }

    /// Starts it, and waits until it answers. One that was killed may have left behind what has to go away first.
    pub(crate) async fn restart(&mut self) -> Result {
        let until = Instant::now() + START;
        while Instant::now() < until {
            let is_running = match &mut self.process {
                Some(process) => process.try_wait()?.is_none(),
                None => false,
            };
            if !is_running {
                self.process = Some(self.spawn()?);
            }
            if self.answers().await {
                return Ok(());
            }
            sleep(Duration::from_millis(20)).await;
        }
        let log = fs::read_to_string(self.folder.join("log")).unwrap_or_default();
        Err(format!("{} does not start: {log}", self.kind).into())
    }

    fn spawn(&self) -> Result<Child> {
        let port = self.address.port().to_string();
        let mut command = match self.kind {
            Kind::Postgres => {
                let mut command = self.command("postgres")?;
                command.arg("-D").arg(self.folder.join("data")).args(["-h", "127.0.0.1", "-p", &port, "-F"]);
                command.arg("-k").arg(&self.folder);
                command
            }
            Kind::Redis => {
                let mut command = self.command("redis-server")?;
                command.args(["--bind", "127.0.0.1", "--port", &port, "--save", ""]);
                command.args(["--requirepass", PASSWORD]).arg("--dir").arg(&self.folder);
                command
            }
        };
        let log = File::options().create(true).append(true).open(self.folder.join("log"))?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        Ok(command.spawn().map_err(|error| format!("{}: {error}", self.kind))?)
    }

    /// A program of the server's, without our privileges where it insists on that.
    fn command(&self, program: &str) -> Result<Command> {
        let mut command = Command::new(found(program));
        command.current_dir(&self.folder);
        let user = if self.kind == Kind::Postgres { postgres_user()? } else { None };
        if let Some((user, group)) = user {
            command.uid(user).gid(group);
        }
        Ok(command)
    }

    /// Whether it takes commands; a Postgres that is starting or recovering says that it does not.
    async fn answers(&self) -> bool {
        let asked = async {
            let mut stream = TcpStream::connect(self.address).await?;
            let (question, is_well): (&[u8], &[u8]) = match self.kind {
                // A start-up message of version 3.0 for the user `orders`: it is asked for its password.
                Kind::Postgres => (b"\0\0\0\x15\0\x03\0\0user\0orders\0\0", b"R"),
                Kind::Redis => (b"PING\r\n", b"-NOAUTH"),
            };
            stream.write_all(question).await?;
            let mut answer = vec![0; is_well.len()];
            stream.read_exact(&mut answer).await?;
            Ok::<_, std::io::Error>(answer == is_well)
        };
        timeout(Duration::from_secs(1), asked).await.is_ok_and(|answer| answer.unwrap_or(false))
    }

    fn pid(&self) -> Result<Pid> {
        Ok(Pid::from_child(self.process.as_ref().ok_or("it is not running")?))
    }

    /// As its service manager does it.
    pub(crate) async fn stop(&mut self) -> Result {
        // SIGTERM would have Postgres wait for its clients to leave, which those of a pool never do.
        let signal = if self.kind == Kind::Postgres { Signal::INT } else { Signal::TERM };
        kill_process(self.pid()?, signal)?;
        let until = Instant::now() + STOP;
        while let Some(process) = &mut self.process {
            if process.try_wait()?.is_some() {
                self.process = None;
            } else if Instant::now() > until {
                return Err(format!("{} does not stop", self.kind).into());
            } else {
                sleep(Duration::from_millis(5)).await;
            }
        }
        Ok(())
    }

    pub(crate) fn kill(&mut self) -> Result {
        let mut process = self.process.take().ok_or("it is not running")?;
        process.kill()?;
        process.wait()?;
        Ok(())
    }

    /// With its children, which do the work in Postgres.
    pub(crate) fn freeze(&mut self) -> Result {
        let pid = self.pid()?;
        self.frozen.push(pid);
        kill_process(pid, Signal::STOP)?;
        for child in children(pid)? {
            self.frozen.push(child);
            kill_process(child, Signal::STOP)?;
        }
        Ok(())
    }

    pub(crate) fn thaw(&mut self) -> Result {
        for pid in self.frozen.drain(..) {
            kill_process(pid, Signal::CONT)?;
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.thaw();
        if let Some(process) = &mut self.process {
            // For Postgres: at once, and its children too. They would notice a SIGKILL as well, in their own time.
            let _ = kill_process(Pid::from_child(process), Signal::QUIT);
            if self.kind == Kind::Redis {
                let _ = process.kill();
            }
            let _ = process.wait();
        }
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Kind {
    /// The name of its check.
    pub(crate) fn check(self) -> &'static str {
        match self {
            Self::Postgres => "orders-db",
            Self::Redis => "sessions",
        }
    }

    /// The route of the service that needs it.
    pub(crate) fn target(self) -> &'static str {
        match self {
            Self::Postgres => "/orders",
            Self::Redis => "/session",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Postgres => "Postgres",
            Self::Redis => "Redis",
        })
    }
}

/// Where Debian has Postgres' own programs, which are on nobody's path; else left to the path.
fn found(program: &str) -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut places: Vec<_> = versions.map(|version| version.path().join("bin").join(program)).collect();
    places.sort();
    places.into_iter().rev().find(|place| place.exists()).unwrap_or_else(|| Path::new(program).to_owned())
}

/// Whom Postgres runs as where we are root, as whom it does not run.
fn postgres_user() -> Result<Option<(u32, u32)>> {
    if !geteuid().is_root() {
        return Ok(None);
    }
    let users = fs::read_to_string("/etc/passwd")?;
    let user = users.lines().find_map(|line| {
        let mut fields = line.strip_prefix("postgres:")?.split(':').skip(1);
        Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
    });
    Ok(Some(user.ok_or("there is no user `postgres`")?))
}

fn children(pid: Pid) -> Result<Vec<Pid>> {
    let pid = pid.as_raw_nonzero();
    let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?;
    let pids = children.split_whitespace().map(str::parse);
    let pids: Vec<i32> = pids.collect::<std::result::Result<_, _>>()?;
    Ok(pids.into_iter().filter_map(Pid::from_raw).collect())
}

const START: Duration = Duration::from_secs(20);
const STOP: Duration = Duration::from_secs(10);
