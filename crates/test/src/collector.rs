//! A collector of OpenTelemetry's: it takes what it is sent over HTTP/1.1, and keeps it.

use std::{
    io::{self, BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use bytes::Bytes;

/// What came, by the path that it was sent to. Clones are one.
#[derive(Clone, Debug, Default)]
pub struct Collector {
    came: Arc<Mutex<Vec<(String, Bytes)>>>,
}

impl Collector {
    /// On a port of its own, on threads of its own, until the process ends.
    ///
    /// # Panics
    ///
    /// Where there is no port to have.
    pub fn start() -> (Self, SocketAddr) {
        let collector = Self::default();
        let listener = TcpListener::bind("127.0.0.1:0").expect("there is a free port");
        let address = listener.local_addr().expect("it listens");
        let serving = collector.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let collector = serving.clone();
                // It ends with the connection, however that does.
                thread::spawn(move || collector.serve(&stream));
            }
        });
        (collector, address)
    }

    /// The bodies that were sent to a path, in the order in which they came.
    pub fn came(&self, path: &str) -> Vec<Bytes> {
        let came = self.came.lock().unwrap_or_else(PoisonError::into_inner);
        came.iter().filter(|(to, _)| to == path).map(|(_, body)| body.clone()).collect()
    }

    fn serve(&self, stream: &TcpStream) -> io::Result<()> {
        let mut reader = BufReader::new(stream);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
            let mut length = 0;
            loop {
                line.clear();
                reader.read_line(&mut line)?;
                match line.trim_end().split_once(':') {
                    None => break,
                    Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                        length = value.trim().parse().map_err(io::Error::other)?;
                    }
                    Some(_) => {}
                }
            }
            let mut body = vec![0; length];
            reader.read_exact(&mut body)?;
            self.came.lock().unwrap_or_else(PoisonError::into_inner).push((path, body.into()));
            let mut stream = stream;
            stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")?;
        }
    }
}
