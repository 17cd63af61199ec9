//! The agent that HAProxy asks.

use std::{convert::Infallible, io, time::Duration};

use macadam_health::Health;
use macadam_serve::HandedOver;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    select,
    task::JoinSet,
    time::{sleep, timeout},
};

use crate::place::Place;

/// Answers HAProxy's `agent-check` with a line, at an address of its own: the protocol has no room for any other.
pub(crate) struct Agent {
    pub(crate) place: Place,
    pub(crate) health: Health,
}

impl Agent {
    /// Answers until its address is handed over, or for ever.
    pub(crate) async fn run(self, handed_over: Option<HandedOver>) {
        let Self { place, health } = self;
        let answer = async {
            if let Place::Taken(address) = place {
                tracing::warn!(%address, "another process has the address of the agent for HAProxy, which waits until it is free");
            }
            match place.listen("the agent for HAProxy").await {
                Ok(listener) => match accept(&listener, &health).await {},
                Err(error) => tracing::error!(%error, "the agent for HAProxy cannot have its address"),
            }
        };
        match handed_over {
            Some(handed_over) => select! {
                () = answer => {}
                () = handed_over.happens() => {}
            },
            None => answer.await,
        }
    }
}

async fn accept(listener: &TcpListener, health: &Health) -> Infallible {
    let mut answering = JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                while answering.try_join_next().is_some() {}
                // A balancer asks again; one that floods it is not waited for.
                if answering.len() < AT_ONCE {
                    answering.spawn(timeout(PATIENCE, answer(stream, health.agent_line())));
                }
            }
            // Its own descriptors are few, but those of the process may be used up.
            Err(_) => sleep(AGAIN).await,
        }
    }
}

/// Says the line, and reads what the balancer has to say, if anything: a close before that would reset the line.
async fn answer(mut stream: TcpStream, line: String) -> io::Result<()> {
    stream.write_all(line.as_bytes()).await?;
    stream.shutdown().await?;
    let mut said = [0; 256];
    while stream.read(&mut said).await? > 0 {}
    Ok(())
}

const AT_ONCE: usize = 64;
const PATIENCE: Duration = Duration::from_secs(1);
const AGAIN: Duration = Duration::from_millis(100);
