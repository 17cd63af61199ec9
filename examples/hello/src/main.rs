//! The whole road in ten lines: `cargo run -p hello`.

use axum::{Router, routing::get};

#[tokio::main]
async fn main() -> Result<macadam::Report, macadam::Error> {
    let app = Router::new().route("/", get(async || "hello"));
    macadam::serve(app).await
}
