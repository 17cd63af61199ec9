//! One command line, shown as it would be typed and timed as it runs.

use std::fmt;
use std::process::{Command, Stdio};

use crate::Result;
use crate::stopwatch::Stopwatch;

/// A command line: what `Display` prints can be pasted into a shell.
pub(crate) struct Line {
    env: Vec<(&'static str, String)>,
    words: Vec<String>,
}

impl Line {
    /// The words of `line`, split at spaces: there is no quoting, a word with a space goes through [`word`].
    ///
    /// [`word`]: Self::word
    pub(crate) fn new(line: &str) -> Self {
        Self { env: Vec::new(), words: line.split_whitespace().map(str::to_owned).collect() }
    }

    pub(crate) fn env(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.env.push((name, value.into()));
        self
    }

    pub(crate) fn word(mut self, word: impl Into<String>) -> Self {
        self.words.push(word.into());
        self
    }

    /// Runs it with its output on our terminal, between a line that shows it and one with the time.
    ///
    /// # Errors
    /// Where it cannot be started, or ends with anything but 0.
    pub(crate) fn run(&self) -> Result {
        println!("$ {self}");
        let stopwatch = Stopwatch::start();
        let status = self.command().status().map_err(|error| format!("`{self}` did not start: {error}"))?;
        println!("  {stopwatch}");
        if status.success() { Ok(()) } else { Err(format!("`{self}` failed: {status}").into()) }
    }

    /// Runs it for what it prints; its errors stay on our terminal.
    ///
    /// # Errors
    /// Where it cannot be started, ends with anything but 0, or prints what is not UTF-8.
    pub(crate) fn output(&self) -> Result<String> {
        let output = self
            .command()
            .stderr(Stdio::inherit())
            .output()
            .map_err(|error| format!("`{self}` did not start: {error}"))?;
        if !output.status.success() {
            return Err(format!("`{self}` failed: {}", output.status).into());
        }
        Ok(String::from_utf8(output.stdout)?)
    }

    /// For who wants more of the process than its end.
    pub(crate) fn command(&self) -> Command {
        let (program, arguments) = self.words.split_first().expect("a line has at least the program");
        let mut command = Command::new(program);
        command.args(arguments).envs(self.env.iter().map(|(name, value)| (name, value)));
        command
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, value) in &self.env {
            write!(f, "{name}={} ", Quoted(value))?;
        }
        for (index, word) in self.words.iter().enumerate() {
            write!(f, "{}{}", if index == 0 { "" } else { " " }, Quoted(word))?;
        }
        Ok(())
    }
}

struct Quoted<'a>(&'a str);

impl fmt::Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.contains(char::is_whitespace) { write!(f, "'{}'", self.0) } else { f.write_str(self.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_shown_as_it_would_be_typed() {
        let line = Line::new("cargo doc --no-deps").env("RUSTDOCFLAGS", "-D warnings").word("a b");
        assert_eq!(line.to_string(), "RUSTDOCFLAGS='-D warnings' cargo doc --no-deps 'a b'");
    }

    #[test]
    fn a_command_that_fails_or_is_missing_is_an_error() {
        assert!(Line::new("true").run().is_ok());
        assert!(Line::new("false").run().is_err());
        assert!(Line::new("there-is-no-such-command").run().is_err());
    }

    #[test]
    fn output_is_what_it_printed() {
        assert_eq!(Line::new("echo one two").output().unwrap(), "one two\n");
        assert!(Line::new("false").output().is_err());
    }
}
