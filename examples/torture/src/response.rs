//! Handlers whose responses are long, in bytes or in time.

use std::{convert::Infallible, time::Duration};

use axum::{
    body::Body,
    extract::{
        Query, State,
        ws::{CloseFrame, Message, WebSocket, WebSocketUpgrade, close_code},
    },
    http::StatusCode,
    response::{
        IntoResponse, Response,
        sse::{Event, Sse},
    },
};
use bytes::Bytes;
use futures::{Stream, StreamExt, stream};
use macadam::{LoadShedHandle, ShutdownHandle};
use serde::Deserialize;
use tokio::time::sleep;

#[derive(Deserialize)]
pub(crate) struct Frames {
    frames: Option<u64>,
    every: Option<u64>,
    bytes: Option<usize>,
}

/// A chunked body, a frame every so many milliseconds.
pub(crate) async fn stream(Query(asked): Query<Frames>) -> Body {
    let every = Duration::from_millis(asked.every.unwrap_or(100));
    let frame = Bytes::from(vec![b'x'; asked.bytes.unwrap_or(1024)]);
    let frames = stream::iter(0..asked.frames.unwrap_or(10)).then(move |_| {
        let frame = frame.clone();
        async move {
            sleep(every).await;
            Ok::<_, Infallible>(frame)
        }
    });
    Body::from_stream(frames)
}

/// An event a second, until the service drains.
pub(crate) async fn sse(
    State(shutdown): State<ShutdownHandle>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let events = stream::unfold(0_u64, async |count| {
        sleep(Duration::from_secs(1)).await;
        Some((Ok(Event::default().data(count.to_string())), count + 1))
    });
    Sse::new(events.take_until(shutdown.draining()))
}

/// Sends back what it receives, until the service drains. Counted among the streams, which no layer can do for it.
pub(crate) async fn ws(
    State(shutdown): State<ShutdownHandle>,
    State(load_shed): State<LoadShedHandle>,
    upgrade: WebSocketUpgrade,
) -> Response {
    let Some(place) = load_shed.open_stream() else { return StatusCode::SERVICE_UNAVAILABLE.into_response() };
    let serve = async move |socket| {
        echo(socket, shutdown).await;
        drop(place);
    };
    upgrade.on_upgrade(serve).into_response()
}

async fn echo(mut socket: WebSocket, shutdown: ShutdownHandle) {
    let mut draining = shutdown.draining();
    loop {
        tokio::select! {
            () = &mut draining => {
                let close = CloseFrame { code: close_code::AWAY, reason: "the service is shutting down".into() };
                // A client that has gone already needs no goodbye.
                let _ = socket.send(Message::Close(Some(close))).await;
                return;
            }
            message = socket.recv() => match message {
                Some(Ok(message @ (Message::Text(_) | Message::Binary(_)))) => {
                    if socket.send(message).await.is_err() {
                        return;
                    }
                }
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(_)) | Err(_)) | None => return,
            },
        }
    }
}

#[derive(Deserialize)]
pub(crate) struct Length {
    n: Option<usize>,
}

/// So many bytes, with their number in Content-Length.
pub(crate) async fn bytes(Query(length): Query<Length>) -> Bytes {
    Bytes::from(vec![b'x'; length.n.unwrap_or(1 << 20).min(1 << 30)])
}
