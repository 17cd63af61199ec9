//! HAProxy and nginx, each as strict as it can be told to be: what fails behind it fails in front of it.

use std::{
    env, fs,
    fs::{File, Permissions},
    net::{SocketAddr, TcpStream},
    os::unix::{fs::PermissionsExt, fs::chown, process::CommandExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio, id},
    time::Duration,
};

use tokio::time::Instant;

use crate::{Result, instance::listen, load::pause};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Haproxy,
    /// It speaks HTTP/2 to those behind it.
    HaproxyHttp2,
    /// A probe that is answered with 404 takes an instance out of new traffic, and does not call it dead.
    HaproxyOn404,
    Nginx,
}

/// A proxy in the foreground, without privileges, with its files in a folder of its own. Killed when it is dropped.
pub(crate) struct Proxy {
    process: Child,
    folder: PathBuf,
    pub(crate) address: SocketAddr,
}

impl Proxy {
    pub(crate) fn start(kind: Kind, backends: &[SocketAddr]) -> Result<Self> {
        let address = listen()?.local_addr()?;
        let folder = env::temp_dir().join(format!("macadam-restart-{}-{}", id(), kind.program()));
        fs::create_dir_all(&folder)?;
        fs::set_permissions(&folder, Permissions::from_mode(0o755))?;
        let config = folder.join("config");
        fs::write(&config, kind.config(address, backends, &folder))?;

        let mut command = kind.command(&config, &folder);
        let log = File::create(folder.join("log"))?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        if rustix::process::geteuid().is_root() {
            chown(&folder, Some(NOBODY), Some(NOBODY))?;
            command.uid(NOBODY).gid(NOBODY);
        }
        let process =
            command.spawn().map_err(|error| format!("{} does not start: {error}", kind.program()))?;
        let mut proxy = Self { process, folder, address };
        proxy.wait()?;
        Ok(proxy)
    }

    fn wait(&mut self) -> Result {
        let until = Instant::now() + Duration::from_secs(10);
        while TcpStream::connect(self.address).is_err() {
            if let Some(status) = self.process.try_wait()? {
                return Err(format!("it ended with {status}: {}", self.log()).into());
            }
            if Instant::now() > until {
                return Err(format!("it does not accept: {}", self.log()).into());
            }
            pause(Duration::from_millis(20));
        }
        Ok(())
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.join("log")).unwrap_or_default()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

impl Kind {
    /// What a service behind it should say to probes from the signal on: `health.on_drain`.
    pub(crate) fn on_drain(self) -> &'static str {
        if self == Self::HaproxyOn404 { "404" } else { "fail" }
    }

    fn program(self) -> &'static str {
        match self {
            Self::Haproxy | Self::HaproxyHttp2 | Self::HaproxyOn404 => "haproxy",
            Self::Nginx => "nginx",
        }
    }

    fn command(self, config: &Path, folder: &Path) -> Command {
        // Where Debian has them, which is not on everybody's path.
        let path = format!("{}:/usr/sbin", env::var("PATH").unwrap_or_default());
        let mut command = Command::new(self.program());
        command.env("PATH", path);
        match self {
            Self::Haproxy | Self::HaproxyHttp2 | Self::HaproxyOn404 => {
                command.arg("-db").arg("-f").arg(config)
            }
            Self::Nginx => command.arg("-p").arg(folder).arg("-e").arg("stderr").arg("-c").arg(config),
        };
        command
    }

    fn config(self, address: SocketAddr, backends: &[SocketAddr], folder: &Path) -> String {
        match self {
            Self::Haproxy | Self::HaproxyHttp2 | Self::HaproxyOn404 => {
                let on_404 = if self == Self::HaproxyOn404 { "  http-check disable-on-404\n" } else { "" };
                let proto = if self == Self::HaproxyHttp2 { " proto h2" } else { "" };
                let servers = backends
                    .iter()
                    .enumerate()
                    .map(|(number, backend)| format!("  server s{number} {backend}{proto}\n"));
                HAPROXY.replace("ADDRESS", &address.to_string()) + on_404 + &servers.collect::<String>()
            }
            Self::Nginx => {
                let servers = backends.iter().map(|backend| format!("    server {backend} max_fails=0;\n"));
                NGINX
                    .replace("ADDRESS", &address.to_string())
                    .replace("SERVERS", &servers.collect::<String>())
                    .replace("FOLDER", &folder.to_string_lossy())
            }
        }
    }
}

const HAPROXY: &str = "\
global
  maxconn 4000
defaults
  mode http
  retries 0
  no option redispatch
  http-reuse always
  timeout connect 2s
  timeout client 30s
  timeout server 30s
frontend in
  bind ADDRESS
  default_backend out
backend out
  balance roundrobin
  option httpchk GET /readyz
  default-server check inter 100ms fall 1 rise 1
";
const NGINX: &str = "\
daemon off;
master_process off;
pid FOLDER/pid;
error_log FOLDER/errors warn;
events { worker_connections 4000; }
http {
  access_log off;
  client_body_temp_path FOLDER/1;
  proxy_temp_path FOLDER/2;
  fastcgi_temp_path FOLDER/3;
  uwsgi_temp_path FOLDER/4;
  scgi_temp_path FOLDER/5;
  client_body_buffer_size 128k;
  keepalive_requests 1000000;
  upstream out {
SERVERS    keepalive 64;
    keepalive_requests 1000000;
  }
  server {
    listen ADDRESS;
    location / {
      proxy_pass http://out;
      proxy_http_version 1.1;
      proxy_set_header Connection \"\";
      proxy_next_upstream off;
    }
  }
}
";
/// Everywhere on Linux the one who owns nothing.
const NOBODY: u32 = 65534;
