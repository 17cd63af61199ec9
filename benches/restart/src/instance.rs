//! Instances of a service, each a process of its own, and how one follows another.

use std::{
    collections::VecDeque,
    env, fmt,
    io::{self, BufRead, BufReader, Read},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    os::fd::OwnedFd,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{SyncSender, sync_channel},
    },
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::time::Instant;

use crate::{Result, load::pause};

/// What is restarted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Arm {
    /// `examples/torture`: the whole road, with its defaults but for the lame duck.
    Macadam,
    /// Stock axum with its own graceful shutdown: see [`control`](crate::control).
    Axum,
}

/// What is started at an address, again and again.
#[derive(Clone, Copy)]
pub(crate) struct Service {
    pub(crate) arm: Arm,
    pub(crate) follow: Follow,
    pub(crate) lame_duck: Duration,
    /// Whether it may refuse requests when it has too much to do, as it does by default.
    pub(crate) sheds: bool,
    /// What its probe says from the signal on: `health.on_drain`.
    pub(crate) on_drain: &'static str,
}

/// How one instance follows another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Follow {
    /// The new one asks the old one for its listener, and the old one leaves by itself: what happens unless something
    /// else is said.
    Pass,
    /// The old one is told to stop, and then the new one is started. The socket is held by whoever starts them, as
    /// systemd does.
    Systemd,
    /// Both listen at once (`SO_REUSEPORT`); when the new one serves, the old one is told to stop, and closes its
    /// listener.
    Close,
    /// The old one is told to stop, and then the new one is started, and binds.
    Gap,
}

impl fmt::Display for Arm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Macadam => "macadam",
            Self::Axum => "axum",
        })
    }
}

/// A running service. Killed when it is dropped.
pub(crate) struct Instance {
    process: Child,
    log: Log,
}

impl Instance {
    /// Starts it, and waits until it says that it serves.
    fn start(mut command: Command) -> Result<Self> {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut process = command.spawn().map_err(|error| format!("{command:?}: {error}"))?;
        let (serves, is_serving) = sync_channel(1);
        let log = Log::default();
        log.read(process.stdout.take(), serves.clone());
        log.read(process.stderr.take(), serves);
        let mut instance = Self { process, log };
        if is_serving.recv_timeout(START).is_ok() {
            return Ok(instance);
        }
        let status = instance.process.try_wait()?;
        let how = status.map_or("it still runs".into(), |status| status.to_string());
        Err(format!("an instance did not come to serve: {how}\n{command:?}\n{}", instance.log.last()).into())
    }

    pub(crate) fn terminate(&self) -> Result {
        Ok(kill_process(Pid::from_child(&self.process), Signal::TERM)?)
    }

    /// Waits for its exit, which has to be a clean one, and says when that was.
    pub(crate) fn exit(mut self) -> Result<Instant> {
        let limit = Instant::now() + EXIT;
        loop {
            let status = self.process.try_wait()?;
            let now = Instant::now();
            match status {
                Some(status) => {
                    self.log.is_clean(status)?;
                    return Ok(now);
                }
                None if now > limit => {
                    return Err(format!("an instance still ran after {EXIT:?}\n{}", self.log.last()).into());
                }
                None => pause(Duration::from_micros(200)),
            }
        }
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        // It has ended already where all went well, and then both are refused.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// What an instance says, by threads that read it: a pipe that nobody reads would stop the service.
#[derive(Default)]
struct Log(Arc<Mutex<VecDeque<String>>>);

impl Log {
    fn read(&self, pipe: Option<impl Read + Send + 'static>, serves: SyncSender<()>) {
        let Some(pipe) = pipe else { return };
        let lines = Arc::clone(&self.0);
        thread::spawn(move || {
            for line in BufReader::new(pipe).lines().map_while(io::Result::ok) {
                if line.contains("serving on") {
                    // Nobody waits for a second one.
                    let _ = serves.try_send(());
                }
                let mut lines = lines.lock().unwrap_or_else(PoisonError::into_inner);
                if lines.len() == REMEMBERED {
                    lines.pop_front();
                }
                lines.push_back(line);
            }
        });
    }

    fn last(&self) -> String {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().map(String::as_str).collect::<Vec<_>>().join("\n")
    }

    fn is_clean(&self, status: ExitStatus) -> Result {
        if status.success() {
            return Ok(());
        }
        Err(format!("an instance ended with {status}\n{}", self.last()).into())
    }
}

/// An address, and the instance that serves there.
pub(crate) struct Post {
    service: Service,
    pub(crate) address: SocketAddr,
    /// Those that overlap without knowing of each other take turns.
    admins: [SocketAddr; 2],
    generation: usize,
    /// systemd's part.
    socket: Option<TcpListener>,
    instance: Option<Instance>,
}

impl Post {
    pub(crate) fn start(service: Service) -> Result<Self> {
        // Taken together before any is let go, so that they differ.
        let listeners = [listen()?, listen()?, listen()?];
        let [address, admin, other] = [0, 1, 2].map(|index: usize| listeners[index].local_addr());
        let socket = listeners.into_iter().next();
        let mut post = Self {
            service,
            address: address?,
            admins: [admin?, other?],
            generation: 0,
            socket: socket.filter(|_| service.follow == Follow::Systemd),
            instance: None,
        };
        post.instance = Some(Instance::start(post.command()?)?);
        Ok(post)
    }

    /// One restart, from the first step to the old one's exit.
    pub(crate) fn restart(&mut self) -> Result {
        self.generation += 1;
        let old = self.instance.take().ok_or("the last restart failed")?;
        let successor = match self.service.follow {
            Follow::Pass => {
                let successor = Instance::start(self.command()?)?;
                old.exit()?;
                successor
            }
            Follow::Close => {
                let successor = Instance::start(self.command()?)?;
                old.terminate()?;
                old.exit()?;
                successor
            }
            Follow::Systemd | Follow::Gap => {
                old.terminate()?;
                old.exit()?;
                Instance::start(self.command()?)?
            }
        };
        self.instance = Some(successor);
        Ok(())
    }

    /// The instance, for who wants more than restarts of it.
    pub(crate) fn into_instance(self) -> Result<Instance> {
        self.instance.ok_or_else(|| "the last restart failed".into())
    }

    fn command(&self) -> Result<Command> {
        let this = env::current_exe()?;
        let program = match self.service.arm {
            Arm::Macadam => this.with_file_name("torture"),
            Arm::Axum => this,
        };
        let mut command = match &self.socket {
            // The number of the process is known only when it runs.
            Some(socket) => {
                let mut command = Command::new("sh");
                command.args(["-c", r#"LISTEN_PID=$$ exec "$@" 3<&0 </dev/null"#, "sh"]).arg(program);
                command.env("LISTEN_FDS", "1").stdin(OwnedFd::from(socket.try_clone()?));
                command
            }
            None => {
                let mut command = Command::new(program);
                command.stdin(Stdio::null());
                command
            }
        };
        for (name, _) in env::vars_os() {
            if name.to_string_lossy().starts_with("MACADAM_") {
                command.env_remove(name);
            }
        }
        match self.service.arm {
            Arm::Axum => {
                command.args(["serve-axum", &self.address.to_string()]);
            }
            Arm::Macadam => {
                let overlaps_unknown = self.service.follow == Follow::Close;
                let admin = self.admins[if overlaps_unknown { self.generation % 2 } else { 0 }];
                command
                    .env("MACADAM_LISTEN", self.address.to_string())
                    .env("MACADAM_ADMIN_LISTEN", admin.to_string())
                    .env("MACADAM_SHUTDOWN_LAME_DUCK", format!("{}ms", self.service.lame_duck.as_millis()))
                    .env("MACADAM_HEALTH_ON_DRAIN", self.service.on_drain)
                    .env("MACADAM_TELEMETRY_LOGS", "json");
                if !self.service.sheds {
                    command.env("MACADAM_LOAD_SHED_MODE", "off");
                }
                if overlaps_unknown {
                    command.env("MACADAM_SERVE_REUSE_PORT", "true");
                }
            }
        }
        Ok(command)
    }
}

pub(crate) fn listen() -> io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
}

/// From the start of a process until it serves.
const START: Duration = Duration::from_secs(10);
/// From when an instance should leave until it has: the lame duck, and what a busy machine adds.
const EXIT: Duration = Duration::from_secs(10);
/// Lines of an instance's log.
const REMEMBERED: usize = 100;
