//! A test's other process: the same binary, the same test, in its second role.

use std::{
    env,
    io::{BufRead, BufReader, Lines, Read},
    os::unix::process::ExitStatusExt,
    process::{self, ChildStderr, ChildStdout, Command, Stdio},
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};
use tokio::time::Instant;

pub(crate) struct Child {
    process: process::Child,
    stdout: Lines<BufReader<ChildStdout>>,
    stderr: ChildStderr,
    read: String,
    signalled: Instant,
}

pub(crate) struct Exit {
    pub(crate) code: i32,
    /// From the last signal.
    pub(crate) after: Duration,
    pub(crate) stderr: String,
}

impl Child {
    /// Starts the test of this name again, where this call does not return: it plays `role` and exits with its code.
    pub(crate) fn start(test: &str, role: fn() -> u8) -> Self {
        Self::start_with(test, role, &[])
    }

    /// The same, with these variables in its environment.
    pub(crate) fn start_with(test: &str, role: fn() -> u8, variables: &[(&str, &str)]) -> Self {
        if env::var(ROLE).is_ok_and(|name| name == test) {
            play(role);
        }
        let mut process = Command::new(env::current_exe().unwrap())
            .args([test, "--exact", "--nocapture"])
            .env(ROLE, test)
            .envs(variables.iter().copied())
            // A backtrace takes its time, and the times here are short.
            .env("RUST_BACKTRACE", "0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let stdout = BufReader::new(process.stdout.take().unwrap()).lines();
        let stderr = process.stderr.take().unwrap();
        Self { process, stdout, stderr, read: String::new(), signalled: Instant::now() }
    }

    /// Reads what it prints up to a line that begins so, and returns that line.
    pub(crate) fn wait_for(&mut self, line: &str) -> String {
        let found = self.stdout.by_ref().map_while(Result::ok).find(|read| read.starts_with(line));
        found.unwrap_or_else(|| panic!("it never printed {line}: {}", self.rest()))
    }

    /// Reads its standard error up to a line with these words, and returns all of it so far.
    pub(crate) fn wait_for_stderr(&mut self, words: &str) -> String {
        let mut byte = [0];
        while !(self.read.contains(words) && self.read.ends_with('\n')) {
            self.stderr.read_exact(&mut byte).expect("it says so before it exits");
            self.read.push(char::from(byte[0]));
        }
        self.read.clone()
    }

    pub(crate) fn signal(&mut self, signal: Signal) {
        self.signalled = Instant::now();
        kill_process(Pid::from_child(&self.process), signal).unwrap();
    }

    pub(crate) fn since_signal(&self) -> Duration {
        self.signalled.elapsed()
    }

    #[expect(clippy::disallowed_methods, reason = "nothing tells that a process does not exit, but time")]
    pub(crate) fn lives_for(&mut self, time: Duration) -> bool {
        thread::sleep(time);
        self.process.try_wait().unwrap().is_none()
    }

    /// Waits for its end.
    pub(crate) fn exit(mut self) -> Exit {
        let status = self.process.wait().unwrap();
        let after = self.signalled.elapsed();
        Exit { code: status.code().expect("no signal ends it"), after, stderr: self.rest() }
    }

    /// Waits for its end by a signal, and returns that.
    pub(crate) fn ended_by(mut self) -> Option<i32> {
        self.process.wait().unwrap().signal()
    }

    fn rest(&mut self) -> String {
        let mut rest = Vec::new();
        let _ = self.stderr.read_to_end(&mut rest);
        self.read.push_str(&String::from_utf8_lossy(&rest));
        std::mem::take(&mut self.read)
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[expect(
    clippy::disallowed_methods,
    clippy::exit,
    reason = "a role ends with its code, and at the latest with its test"
)]
fn play(role: fn() -> u8) -> ! {
    thread::spawn(|| {
        thread::sleep(Duration::from_secs(30));
        process::exit(99);
    });
    process::exit(role().into())
}

const ROLE: &str = "MACADAM_TEST_ROLE";
