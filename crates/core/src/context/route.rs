//! Route templates, interned.

use std::{
    collections::HashMap,
    fmt,
    sync::{LazyLock, Mutex, PoisonError},
};

/// A route's template, such as `/orders/{id}`, interned for the life of the process.
///
/// Equal templates are one route with one [`index`](Self::index), so that a table by route needs no hashing. A
/// service has as many as it has routes: intern templates, never paths, since nothing is ever given back.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Route {
    index: u32,
    template: &'static str,
}

static INTERNED: LazyLock<Mutex<HashMap<&'static str, Route>>> = LazyLock::new(Mutex::default);

impl Route {
    /// The route with this template. Takes a lock: keep what it returns.
    pub fn intern(template: &str) -> Self {
        let mut interned = INTERNED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(route) = interned.get(template) {
            return *route;
        }
        let template: &'static str = Box::leak(template.into());
        let index = u32::try_from(interned.len()).expect("a service has fewer than 2^32 routes");
        let route = Self { index, template };
        interned.insert(template, route);
        route
    }

    /// The template, as the router was given it.
    pub fn as_str(self) -> &'static str {
        self.template
    }

    /// The route's number in this process, counted from 0 without gaps.
    pub fn index(self) -> usize {
        self.index as usize
    }
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.template, f)
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.template)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_templates_are_one_route() {
        let one = Route::intern("/route/{a}");
        let other = Route::intern("/route/{b}");
        assert_eq!(one, Route::intern("/route/{a}"));
        assert_ne!(one, other);
        assert_ne!(one.index(), other.index());
        assert_eq!(one.as_str(), "/route/{a}");
    }
}
