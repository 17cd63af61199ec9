//! Handlers that look at their request, or fall over it.

use axum::{Extension, Json, body::Bytes};
use macadam::{Deadline, RequestContext, RequestId};
use serde_json::{Value, json};

/// Reads the whole body and answers its length.
pub(crate) async fn upload(body: Bytes) -> String {
    body.len().to_string()
}

/// Panics.
pub(crate) async fn panic() -> &'static str {
    panic!("as it was told to")
}

/// What the handler sees of its request's context.
pub(crate) async fn context(
    id: RequestId,
    deadline: Deadline,
    Extension(context): Extension<RequestContext>,
) -> Json<Value> {
    Json(json!({
        "request_id": id.as_str(),
        "remaining_ms": deadline.remaining().map(|left| u64::try_from(left.as_millis()).unwrap_or(u64::MAX)),
        "criticality": context.criticality().as_str(),
    }))
}
