//! What an HTTP/2 stream is reset with when its response fails.

use std::convert::Infallible;

use h2::Reason;
use http::{Request, Response};
use macadam_core::{Outcome, RequestContext};
use macadam_serve::{Body, Listen, Server};
use macadam_test::{ScriptedBody, Step};
use tokio::net::TcpStream;
use tower::service_fn;

use crate::town::soon;

/// With what the stream of a response is reset whose body fails when its request has ended so.
async fn reset_after(outcome: Outcome) -> Reason {
    let listener = Listen::new("127.0.0.1:0".parse().unwrap()).bind().unwrap();
    let address = listener.local_addr().unwrap();
    let service = service_fn(move |request: Request<Body>| {
        RequestContext::get(&request).unwrap().settle(outcome);
        let body = ScriptedBody::new([Step::data("one"), Step::error()]);
        async move { Ok::<_, Infallible>(Response::new(body)) }
    });
    tokio::spawn(Server::new(listener).serve(service));

    let stream = TcpStream::connect(address).await.unwrap();
    let (mut requests, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    let (response, _) = requests.send_request(Request::get("http://test/").body(()).unwrap(), true).unwrap();
    // What was not sent yet goes with the stream, which may be all of it.
    let error = match soon(response).await {
        Ok(response) => {
            let mut body = response.into_body();
            loop {
                if let Err(error) = soon(body.data()).await.expect("the body fails") {
                    break error;
                }
            }
        }
        Err(error) => error,
    };
    error.reason().expect("the stream is reset")
}

#[tokio::test]
async fn a_response_that_was_cut_for_its_time_is_cancelled_and_one_that_failed_is_an_error() {
    assert_eq!(reset_after(Outcome::TimedOut).await, Reason::CANCEL);
    assert_eq!(reset_after(Outcome::Pending).await, Reason::INTERNAL_ERROR);
}
