//! The paved road for axum services: production defaults by stacking small Tower layers.
