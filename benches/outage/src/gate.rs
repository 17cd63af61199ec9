//! What stands between the service and a server, and can be a network that has stopped.

use std::{io, net::SocketAddr};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinSet,
};

/// Passes connections on, for as long as it is open. Gone, with all connections, when it is dropped.
pub(crate) struct Gate {
    pub(crate) address: SocketAddr,
    server: SocketAddr,
    is_held: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Gate {
    pub(crate) async fn open(server: SocketAddr) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let mut gate = Self { address, server, is_held: watch::Sender::new(false), tasks: JoinSet::new() };
        gate.accept(listener);
        Ok(gate)
    }

    fn accept(&mut self, listener: TcpListener) {
        let (server, is_held) = (self.server, self.is_held.subscribe());
        self.tasks.spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                connections.spawn(pass_on(client, server, is_held.clone()));
            }
        });
    }

    /// Swallows what comes, from both sides, and still accepts: so does a network that drops packets, as far as who waits
    /// for an answer can tell.
    pub(crate) fn hold(&self) {
        self.is_held.send_replace(true);
    }

    /// Passes on what has come meanwhile, and what comes.
    pub(crate) fn release(&self) {
        self.is_held.send_replace(false);
    }

    /// Cuts all connections, and refuses new ones.
    pub(crate) async fn close(&mut self) {
        self.tasks.shutdown().await;
    }

    pub(crate) async fn reopen(&mut self) -> io::Result<()> {
        let listener = TcpListener::bind(self.address).await?;
        self.accept(listener);
        Ok(())
    }
}

/// Ends with either side: a server that does not accept is one that closes.
async fn pass_on(client: TcpStream, server: SocketAddr, is_held: watch::Receiver<bool>) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    tokio::select! {
        _ = copy(from_client, to_server, is_held.clone()) => {}
        _ = copy(from_server, to_client, is_held) => {}
    }
}

async fn copy(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut is_held: watch::Receiver<bool>,
) -> io::Result<()> {
    let mut piece = [0; 4096];
    while let read @ 1.. = from.read(&mut piece).await? {
        is_held.wait_for(|is_held| !is_held).await.map_err(io::Error::other)?;
        to.write_all(&piece[..read]).await?;
    }
    // Nor does an end get through.
    is_held.wait_for(|is_held| !is_held).await.map_err(io::Error::other)?;
    Ok(())
}
