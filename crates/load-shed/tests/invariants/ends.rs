//! All the ways in which a request can end.

use super::{config, runtime};
use crate::stand::{Stand, limit, turn};
use http::{HeaderMap, Request, Response, StatusCode, header::CONTENT_TYPE};
use http_body_util::BodyExt;
use macadam_test::{ScriptedBody, Step};
use proptest::{collection::vec, prelude::*};
use tower::Service;

#[derive(Clone, Copy, Debug)]
enum End {
    Answered,
    Failed,
    Panicked,
    DroppedBeforeItsFirstPoll,
    DroppedBeforeItsAnswer,
    DroppedBeforeItsBody,
    DroppedInItsBody,
    BodyFailed,
    BodyPanicked,
    Trailers,
    Upgraded,
    Streamed,
}

const ENDS: [End; 12] = [
    End::Answered,
    End::Failed,
    End::Panicked,
    End::DroppedBeforeItsFirstPoll,
    End::DroppedBeforeItsAnswer,
    End::DroppedBeforeItsBody,
    End::DroppedInItsBody,
    End::BodyFailed,
    End::BodyPanicked,
    End::Trailers,
    End::Upgraded,
    End::Streamed,
];

/// What the service answers with, where it does.
fn response(end: End) -> Response<ScriptedBody> {
    let one = Step::data("one");
    let body = match end {
        End::BodyFailed => ScriptedBody::new([one, Step::error()]),
        End::BodyPanicked => ScriptedBody::new([one, Step::panic()]),
        End::Trailers => ScriptedBody::new([one, Step::trailers(HeaderMap::new())]),
        End::Upgraded => ScriptedBody::empty(),
        End::Streamed => ScriptedBody::new([one, Step::pending()]),
        _ => ScriptedBody::new([one, Step::data("two")]),
    };
    let mut response = Response::new(body);
    match end {
        End::Upgraded => *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS,
        End::Streamed => {
            response.headers_mut().insert(CONTENT_TYPE, "text/event-stream".parse().unwrap());
        }
        _ => {}
    }
    response
}

/// Sends a request that ends so, where there is room for it and nobody else calls.
async fn comes_to(stand: &Stand, end: End) {
    if let End::DroppedBeforeItsFirstPoll = end {
        drop(stand.readied().await.call(Request::new(())));
        stand.script.try_next_call().expect("it has a slot");
        return;
    }
    let held = stand.gate.in_flight();
    let sent = stand.get("/").await;
    let call = stand.script.try_next_call().expect("it has a slot");
    assert_eq!(stand.gate.in_flight(), held + 1);
    match end {
        End::Failed => call.fail(),
        End::Panicked => call.panic(),
        End::DroppedBeforeItsAnswer => sent.abort(),
        end => call.respond(response(end)),
    }
    let Ok(Ok(response)) = sent.await else { return };
    match end {
        End::DroppedBeforeItsBody => drop(response),
        End::DroppedInItsBody => drop(response.into_body().frame().await),
        // Its end is its head, and it goes on all the same.
        End::Upgraded | End::Streamed => {
            assert_eq!(stand.gate.in_flight(), held, "{end:?}");
            assert_eq!(stand.gate.streams(), u32::from(matches!(end, End::Streamed)));
            drop(response);
            assert_eq!(stand.gate.streams(), 0);
        }
        _ => drop(tokio::spawn(response.into_body().collect()).await),
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn a_slot_comes_back_once_however_its_request_ends(
        slots in 1..4u32,
        others in 0..3u32,
        ends in vec((0..ENDS.len()).prop_map(|nth| ENDS[nth]), 1..40),
    ) {
        runtime().block_on(async {
            let stand = Stand::new(limit(slots + others).queue(0));
            let mut held = Vec::new();
            for _ in 0..others {
                held.push(stand.get("/").await);
                stand.script.try_next_call().unwrap();
            }
            for end in ends {
                comes_to(&stand, end).await;
                turn().await;
                assert_eq!(stand.figures(), (others, 0), "after {end:?}");
            }
            // As many slots as there were, and not one more.
            for _ in 0..slots {
                held.push(stand.get("/").await);
                stand.script.try_next_call().expect("it has a slot");
            }
            let one_more = stand.get("/").await.await.unwrap().unwrap();
            assert_eq!(one_more.status(), StatusCode::SERVICE_UNAVAILABLE);
        });
    }
}
