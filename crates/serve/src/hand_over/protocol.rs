//! What a successor and its predecessor say to each other, over a Unix socket whose abstract name is made of the user and
//! the address.
//!
//! ```text
//! successor                                     predecessor
//!   macadam 1, its service's name  ──────────▶
//!                                  ◀──────────  L, with the sockets: TCP, Unix, the companion's if there is one
//!                                               or N, the name of its service
//!   accepts; R                     ──────────▶  stops accepting
//! ```
//!
//! Between L and R both accept from one queue. If either ends before R, the other has it and serves on; and since the Unix
//! socket goes along, its name is never without an owner.

use std::{
    ffi::OsStr,
    io::{self, ErrorKind, IoSlice, IoSliceMut},
    mem::MaybeUninit,
    net::SocketAddr,
    os::{
        fd::{BorrowedFd, OwnedFd},
        unix::ffi::OsStrExt,
    },
};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, Interest},
    net::UnixStream,
};

/// The path by which the socket of `address` is found: that of an abstract name, which ends with its last owner.
pub(super) fn path_of(address: SocketAddr) -> impl AsRef<std::path::Path> {
    let user = rustix::process::geteuid().as_raw();
    let name = format!("\0macadam/{user}/{address}");
    OsStr::from_bytes(name.as_bytes()).to_owned()
}

/// Refuses who is not this user. An abstract name has no permissions, so both ends look.
pub(super) fn check_user(stream: &UnixStream) -> io::Result<()> {
    let user = stream.peer_cred()?.uid();
    if user == rustix::process::geteuid().as_raw() {
        return Ok(());
    }
    Err(io::Error::new(ErrorKind::PermissionDenied, format!("it is a process of another user, {user}")))
}

/// What a predecessor answers.
pub(super) enum Answer {
    Sockets(Vec<OwnedFd>),
    /// It is this service, and another was asked for.
    Kept(String),
}

pub(super) async fn ask(stream: &mut UnixStream, service: &str) -> io::Result<()> {
    stream.write_all(&[HELLO, &name(service)].concat()).await
}

/// The service that is asked for.
pub(super) async fn asked(stream: &mut UnixStream) -> io::Result<String> {
    let mut hello = [0; HELLO.len()];
    stream.read_exact(&mut hello).await?;
    if hello != HELLO {
        return Err(io::Error::new(ErrorKind::InvalidData, "it does not speak this protocol"));
    }
    read_name(stream).await
}

pub(super) async fn keep(stream: &mut UnixStream, service: &str) -> io::Result<()> {
    stream.write_all(&[&[KEPT], &*name(service)].concat()).await
}

pub(super) async fn give(stream: &UnixStream, sockets: &[BorrowedFd<'_>]) -> io::Result<()> {
    let sent = stream.async_io(Interest::WRITABLE, || {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
        let mut rights = SendAncillaryBuffer::new(&mut space);
        if !rights.push(SendAncillaryMessage::ScmRights(sockets)) {
            return Err(io::Error::other("there are too many sockets"));
        }
        // Descriptors travel with a byte, or not at all.
        Ok(sendmsg(stream, &[IoSlice::new(&[SOCKETS])], &mut rights, SendFlags::NOSIGNAL)?)
    });
    sent.await.map(drop)
}

pub(super) async fn answer(stream: &mut UnixStream) -> io::Result<Answer> {
    let (word, sockets) = stream
        .async_io(Interest::READABLE, || {
            let (mut word, mut sockets) = ([0], Vec::new());
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
            let mut rights = RecvAncillaryBuffer::new(&mut space);
            let into = &mut [IoSliceMut::new(&mut word)];
            let received = recvmsg(&*stream, into, &mut rights, RecvFlags::CMSG_CLOEXEC)?;
            for message in rights.drain() {
                if let RecvAncillaryMessage::ScmRights(rights) = message {
                    sockets.extend(rights);
                }
            }
            if received.bytes == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            if received.flags.contains(ReturnFlags::CTRUNC) {
                return Err(io::Error::new(ErrorKind::InvalidData, "it sends more sockets than there are"));
            }
            Ok((word, sockets))
        })
        .await?;
    match word {
        [SOCKETS] => Ok(Answer::Sockets(sockets)),
        [KEPT] => Ok(Answer::Kept(read_name(stream).await?)),
        _ => Err(io::Error::new(ErrorKind::InvalidData, "it does not speak this protocol")),
    }
}

pub(super) async fn say_ready(stream: &mut UnixStream) -> io::Result<()> {
    stream.write_all(&[READY]).await
}

pub(super) async fn hear_ready(stream: &mut UnixStream) -> io::Result<()> {
    match stream.read_u8().await? {
        READY => Ok(()),
        _ => Err(io::Error::new(ErrorKind::InvalidData, "it does not speak this protocol")),
    }
}

/// A service's name, as far as it fits, behind its length.
fn name(service: &str) -> Vec<u8> {
    let name = &service.as_bytes()[..service.len().min(usize::from(u8::MAX))];
    let length = u8::try_from(name.len()).unwrap_or(u8::MAX);
    [&[length], name].concat()
}

/// Whether a name that was read is that of `service`.
pub(super) fn is_named(read: &str, service: &str) -> bool {
    read == String::from_utf8_lossy(&name(service)[1..])
}

async fn read_name(stream: &mut UnixStream) -> io::Result<String> {
    let mut name = vec![0; usize::from(stream.read_u8().await?)];
    stream.read_exact(&mut name).await?;
    Ok(String::from_utf8_lossy(&name).into_owned())
}

const HELLO: &[u8] = b"macadam 1";
const SOCKETS: u8 = b'L';
const KEPT: u8 = b'N';
const READY: u8 = b'R';
/// Sockets in a message.
const MOST: usize = 3;
