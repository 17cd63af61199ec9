//! Where a road serves: its sockets, which another instance may have had before.

use std::{
    io,
    net::{SocketAddr, TcpListener},
};

use macadam_serve::{HandedOver, Listen, Listener, Origin};

use crate::{error::Error, settings::Settings};

/// Where a road serves.
pub(crate) struct Place {
    pub(crate) address: SocketAddr,
    /// The admin listener's socket, unless there is to be none.
    pub(crate) admin: Option<io::Result<TcpListener>>,
    /// Whether another instance serves there until this one does.
    pub(crate) has_predecessor: bool,
    pub(crate) handed_over: HandedOver,
}

impl Place {
    pub(crate) fn of(listener: &mut Listener) -> Result<Self, Error> {
        Ok(Self {
            address: listener.local_addr().map_err(Error::Serve)?,
            admin: listener.take_companion(),
            has_predecessor: listener.origin() == Origin::Predecessor,
            handed_over: listener.handed_over(),
        })
    }
}

/// Listens as the settings say, with the admin listener's socket as the companion.
pub(crate) async fn listen(settings: &Settings) -> Result<Listener, Error> {
    let address = settings.listen;
    let listen = Listen::new(address)
        .reuse_port(settings.serve.reuse_port)
        .hand_over(settings.serve.hand_over)
        .service(&settings.name);
    let listen =
        settings.admin.listen.into_iter().fold(listen, |listen, admin| listen.companion("admin", admin));
    listen.listen().await.map_err(|error| Error::Listen { key: "listen", address, error })
}
