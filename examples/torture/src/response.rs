//! Handlers whose responses are long, in bytes or in time.

use std::{convert::Infallible, time::Duration};

use axum::{
    Extension,
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
use macadam::{LoadShedHandle, RequestContext, ShutdownHandle};
use serde::Deserialize;
use tokio::time::{sleep, timeout};

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

/// An event a second, for ever: who ends it is the road, when the service drains.
pub(crate) async fn sse() -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let events = stream::unfold(0_u64, async |count| {
        sleep(Duration::from_secs(1)).await;
        Some((Ok(Event::default().data(count.to_string())), count + 1))
    });
    Sse::new(events)
}

#[derive(Deserialize)]
pub(crate) struct Manners {
    deaf: Option<bool>,
}

/// Sends back what it receives, until the service drains; if it is deaf, also after that. Counted among the streams and
/// waited for in the drain, which no layer can do for it.
pub(crate) async fn ws(
    State(shutdown): State<ShutdownHandle>,
    State(load_shed): State<LoadShedHandle>,
    Extension(request): Extension<RequestContext>,
    Query(manners): Query<Manners>,
    upgrade: WebSocketUpgrade,
) -> Response {
    let Some(place) = load_shed.open_stream() else { return StatusCode::SERVICE_UNAVAILABLE.into_response() };
    // Before the answer: a drain that begins now has to know of it.
    let mut connection = shutdown.upgraded(Some(&request));
    let serve = async move |mut socket| {
        tokio::select! {
            () = echo(&mut socket) => {}
            () = connection.turn(), if manners.deaf != Some(true) => goodbye(socket).await,
        }
        drop((connection, place));
    };
    upgrade.on_upgrade(serve).into_response()
}

/// Until the client closes, or is gone.
async fn echo(socket: &mut WebSocket) {
    while let Some(Ok(message)) = socket.recv().await {
        let echoes = matches!(message, Message::Text(_) | Message::Binary(_));
        if echoes && socket.send(message).await.is_err() {
            return;
        }
    }
}

/// Says that the service goes away, and waits a little for the client to say that it has heard.
async fn goodbye(mut socket: WebSocket) {
    let close = CloseFrame { code: close_code::AWAY, reason: "the service is shutting down".into() };
    let said = async {
        if socket.send(Message::Close(Some(close))).await.is_ok() {
            while let Some(Ok(_)) = socket.recv().await {}
        }
    };
    // A client that has gone already needs no goodbye.
    let _ = timeout(GOODBYE, said).await;
}

const GOODBYE: Duration = Duration::from_secs(2);

#[derive(Deserialize)]
pub(crate) struct Length {
    n: Option<usize>,
}

/// So many bytes, with their number in Content-Length.
pub(crate) async fn bytes(Query(length): Query<Length>) -> Bytes {
    Bytes::from(vec![b'x'; length.n.unwrap_or(1 << 20).min(1 << 30)])
}
