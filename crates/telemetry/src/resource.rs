//! Who it is that tells.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    env,
    fmt::Write as _,
    hash::{BuildHasher, RandomState},
    sync::Arc,
};

use percent_encoding::percent_decode_str;

/// What tells this instance of a service from all others, by OpenTelemetry's names: `service.name`, `service.version`,
/// `service.instance.id`, and whatever else the environment says, such as `deployment.environment.name`.
///
/// Cheap to clone. One is made for a process: each that is made has an instance id of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Resource(Arc<BTreeMap<Cow<'static, str>, String>>);

impl Resource {
    /// Of the service with this name and version. Where `OTEL_RESOURCE_ATTRIBUTES` says something else, that counts, and of the
    /// name `OTEL_SERVICE_NAME` before all.
    ///
    /// What is malformed in these is left out: a part without `=`, a name that is empty, a value that is no UTF-8.
    pub fn new(name: &str, version: Option<&str>) -> Self {
        Self::from(name, version, |variable| env::var(variable).ok())
    }

    fn from(name: &str, version: Option<&str>, variable: impl Fn(&str) -> Option<String>) -> Self {
        let mut attributes = BTreeMap::from([
            ("service.name".into(), name.to_owned()),
            ("service.instance.id".into(), instance()),
        ]);
        attributes.extend(version.map(|version| ("service.version".into(), version.to_owned())));
        let said = variable("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
        attributes.extend(said.split(',').filter_map(pair));
        let name = variable("OTEL_SERVICE_NAME").filter(|name| !name.is_empty());
        attributes.extend(name.map(|name| ("service.name".into(), name)));
        Self(Arc::new(attributes))
    }

    /// What an attribute is.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str)
    }

    /// All attributes, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, value.as_str()))
    }
}

/// `name=value`, the value as in a URL.
fn pair(text: &str) -> Option<(Cow<'static, str>, String)> {
    let (name, value) = text.split_once('=')?;
    let value = percent_decode_str(value.trim()).decode_utf8().ok()?.into_owned();
    let name = name.trim();
    (!name.is_empty()).then(|| (name.to_owned().into(), value))
}

/// A random UUID: what a standard hasher begins with is random.
fn instance() -> String {
    let random = || RandomState::new().hash_one(0);
    let bits = (u128::from(random()) << 64) | u128::from(random());
    // Version 4, variant 1.
    let bits = (bits & !(0xF << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let hex = format!("{bits:032x}");
    let mut uuid = String::with_capacity(36);
    for (number, part) in [0..8, 8..12, 12..16, 16..20, 20..32].into_iter().enumerate() {
        let dash = if number == 0 { "" } else { "-" };
        // A `String` takes all that is written to it.
        let _ = write!(uuid, "{dash}{}", &hex[part]);
    }
    uuid
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resource(attributes: &str, name: &str) -> Resource {
        Resource::from("orders", Some("1.2.3"), |variable| match variable {
            "OTEL_RESOURCE_ATTRIBUTES" => Some(attributes.to_owned()),
            "OTEL_SERVICE_NAME" => Some(name.to_owned()),
            _ => None,
        })
    }

    #[test]
    fn the_environment_says_more_and_says_otherwise() {
        let said = "deployment.environment.name=prod, service.namespace = shop%2Cus,service.version=2,service.name=a";
        let told = resource(said, "");
        assert_eq!(told.get("deployment.environment.name"), Some("prod"));
        assert_eq!(told.get("service.namespace"), Some("shop,us"));
        assert_eq!(told.get("service.version"), Some("2"));
        assert_eq!(told.get("service.name"), Some("a"));
        assert_eq!(resource(said, "b").get("service.name"), Some("b"));
        assert_eq!(resource("", "").get("service.name"), Some("orders"));
    }

    #[test]
    fn what_is_malformed_takes_nothing_else_along() {
        let told = resource("nothing,=none,bytes=%FF,,team=road", "");
        let names: Vec<_> = told.iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["service.instance.id", "service.name", "service.version", "team"]);
    }

    #[test]
    fn every_instance_has_an_id_of_its_own_of_the_form_that_random_ones_have() {
        let ids = [(); 2].map(|()| resource("", "").get("service.instance.id").unwrap().to_owned());
        assert_ne!(ids[0], ids[1]);
        for id in ids {
            let lengths: Vec<_> = id.split('-').map(str::len).collect();
            assert_eq!(lengths, [8, 4, 4, 4, 12], "{id}");
            assert!(id.chars().all(|char| char == '-' || char.is_ascii_hexdigit()));
            assert_eq!(&id[14..15], "4", "{id}");
            assert!("89ab".contains(&id[19..20]), "{id}");
        }
    }
}
