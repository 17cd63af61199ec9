//! A name and a value, as the protocol has them.

use opentelemetry_proto::tonic::{
    common::v1::{AnyValue, KeyValue, any_value::Value},
    resource::v1::Resource as Message,
};

use crate::resource::Resource;

pub(crate) fn text(name: &str, value: impl Into<String>) -> KeyValue {
    of(name, Value::StringValue(value.into()))
}

pub(crate) fn int(name: &str, value: u64) -> KeyValue {
    of(name, Value::IntValue(value.try_into().unwrap_or(i64::MAX)))
}

pub(crate) fn of(name: &str, value: Value) -> KeyValue {
    KeyValue { key: name.to_owned(), value: Some(AnyValue { value: Some(value) }), key_strindex: 0 }
}

pub(crate) fn resource(resource: &Resource) -> Message {
    let attributes = resource.iter().map(|(name, value)| text(name, value));
    Message { attributes: attributes.collect(), ..Message::default() }
}
