//! A client that sends one request on one connection, byte by byte what it is told to.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use super::load::{Ask, Stays};
use crate::Result;
use crate::stopwatch::pause;

/// For connecting, and for each read and write.
const PATIENCE: Duration = Duration::from_secs(10);
/// Until a service has the request for certain, and well before it answers.
const A_WHILE: Duration = Duration::from_millis(300);
/// The host that is asked for, which nobody checks.
pub(super) const HOST: [&str; 2] = ["canary.example", "8443"];

/// The status of the answer, where the client stayed for one.
///
/// # Errors
/// Where the connection fails, or what comes is no answer.
pub(super) fn send(to: SocketAddr, ask: &Ask, id: &str) -> Result<Option<u16>> {
    let mut stream = TcpStream::connect_timeout(&to, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    if ask.version == "HTTP/2" {
        return http2(stream, ask, id).map(Some);
    }
    let Ask { method, target, version, headers, body, stays, .. } = ask;
    let host = HOST.join(":");
    let connection = if headers.starts_with("upgrade") { "upgrade" } else { "close" };
    write!(
        stream,
        "{method} {target} {version}\r\nhost: {host}\r\nx-request-id: {id}\r\nconnection: {connection}\r\n{headers}\r\n{body}"
    )?;
    let mut read = Vec::new();
    match stays {
        Stays::ForNothing => {
            pause(A_WHILE);
            // What was shed is answered by now.
            stream.set_nonblocking(true)?;
            let mut piece = [0; 4096];
            match stream.read(&mut piece) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                read_now => read.extend_from_slice(&piece[..read_now?]),
            }
        }
        Stays::ForTheHead => {
            let mut piece = [0; 4096];
            while end_of_head(&read).is_none_or(|end| end == read.len() && connection == "close") {
                match stream.read(&mut piece)? {
                    0 => return Err(format!("{target}: the answer ended early").into()),
                    length => read.extend_from_slice(&piece[..length]),
                }
            }
        }
        // A body that is not wanted may be answered and the connection reset: what was answered counts.
        Stays::ToTheEnd => match stream.read_to_end(&mut read) {
            Err(error) if error.kind() != ErrorKind::ConnectionReset => return Err(error.into()),
            _ => {}
        },
    }
    let status = read.get(9..12).and_then(|digits| std::str::from_utf8(digits).ok()?.parse().ok());
    let read = String::from_utf8_lossy(&read[..read.len().min(100)]);
    status.map(Some).ok_or_else(|| format!("{method} {target}: no answer: {read:?}").into())
}

fn end_of_head(read: &[u8]) -> Option<usize> {
    read.windows(4).position(|end| end == b"\r\n\r\n").map(|at| at + 4)
}

/// A GET as RFC 9113 and RFC 7541 have it, without compression.
fn http2(mut stream: TcpStream, ask: &Ask, id: &str) -> Result<u16> {
    // Of the static table: `:method: GET` and `:scheme: http` as they are, `:path` and `:authority` by their names.
    let mut head = vec![0x82, 0x86];
    let host = HOST.join(":");
    for (name, value) in [(0x04, ask.target), (0x01, &*host)] {
        head.extend([name, u8::try_from(value.len())?]);
        head.extend(value.as_bytes());
    }
    head.extend([0x00, 12]);
    head.extend(b"x-request-id");
    head.push(u8::try_from(id.len())?);
    head.extend(id.as_bytes());

    let mut bytes = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
    bytes.extend(frame(SETTINGS, 0, 0, &[]));
    bytes.extend(frame(HEADERS, END_STREAM | END_HEADERS, 1, &head));
    stream.write_all(&bytes)?;
    let mut status = None;
    loop {
        let mut begin = [0; 9];
        stream.read_exact(&mut begin)?;
        let length = u32::from_be_bytes([0, begin[0], begin[1], begin[2]]);
        let mut payload = vec![0; usize::try_from(length)?];
        stream.read_exact(&mut payload)?;
        let (kind, flags) = (begin[3], begin[4]);
        if kind == HEADERS && status.is_none() {
            status = Some(status_of(&payload).ok_or_else(|| format!("{}: no status by HTTP/2", ask.target))?);
        }
        if kind == SETTINGS && flags & ACK == 0 {
            stream.write_all(&frame(SETTINGS, ACK, 0, &[]))?;
        }
        if matches!(kind, HEADERS | DATA) && flags & END_STREAM != 0 {
            return status.ok_or_else(|| format!("{}: no head by HTTP/2", ask.target).into());
        }
    }
}

/// What a compressed head begins with: `200` is in the static table, and `503`, of what was shed, is Huffman's code of it.
fn status_of(head: &[u8]) -> Option<u16> {
    match head {
        [0x88, ..] => Some(200),
        [0x48, 0x83, 0x6c, 0x0c, 0xff, ..] => Some(503),
        _ => None,
    }
}

fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).expect("what is sent here is short");
    [&[0, 0, length, kind, flags, 0, 0, 0, stream], payload].concat()
}

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const SETTINGS: u8 = 4;
const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
