//! The health service of gRPC, `grpc.health.v1`.

mod body;
mod layer;
mod service;
mod wire;

pub use self::{
    body::GrpcHealthBody,
    layer::{GrpcFuture, GrpcHealthLayer, GrpcProbed, GrpcProbedBody},
    service::{GrpcHealth, GrpcHealthFuture},
};

use crate::health::Health;

impl Health {
    /// The health service of gRPC.
    pub fn grpc(&self) -> GrpcHealth {
        GrpcHealth::new(self.clone())
    }
}
