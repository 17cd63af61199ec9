//! A layer's document is a body like any other.

use bytes::Bytes;
use http_body::Body;
use http_body_util::{BodyExt, Empty};
use macadam_core::ResponseBody;
use macadam_test::{ScriptedBody, Step};

#[tokio::test]
async fn a_document_is_one_frame_of_known_size() {
    let mut body = ResponseBody::<Empty<Bytes>>::document(Bytes::from_static(b"four"));
    assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(4), false));
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "four");
    assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(0), true));
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn an_empty_document_is_at_its_end_at_once() {
    let mut body = ResponseBody::<Empty<Bytes>>::document(Bytes::new());
    assert!(body.is_end_stream());
    assert!(body.frame().await.is_none());
}

#[tokio::test]
async fn the_services_body_is_forwarded() {
    let scripted = ScriptedBody::new([Step::data("one"), Step::error()]).exact_size();
    let mut body = ResponseBody::service(scripted);
    assert_eq!((body.size_hint().exact(), body.is_end_stream()), (Some(3), false));
    assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "one");
    assert!(body.frame().await.unwrap().is_err());
    assert!(body.is_end_stream());
}
