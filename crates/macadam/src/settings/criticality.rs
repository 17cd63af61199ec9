//! How much requests matter, by path.

use std::fmt;

use macadam_core::Criticality;
use matchit::Router;

use super::value::Value;

/// Which path matters how much: templates as axum's router has them, each with a class.
///
/// The gate stands before the router, which is why a handler's route cannot say so itself. A path is looked up once a
/// request, and only if there is anything in here; one that is not here is `critical`.
#[derive(Clone, Default)]
pub struct ByPath {
    said: Vec<(String, Criticality)>,
    router: Router<Criticality>,
}

impl ByPath {
    /// Whether no path is named.
    pub fn is_empty(&self) -> bool {
        self.said.is_empty()
    }

    /// How much a request to `path` matters.
    pub fn of(&self, path: &str) -> Criticality {
        self.router.at(path).map_or(Criticality::Critical, |matched| *matched.value)
    }
}

impl Value for ByPath {
    const EXPECTS: &'static str = "path templates with a class (`critical-plus`, `critical`, `sheddable-plus`, \
                                   `sheddable`), such as `/reports/{id}=sheddable, /pay=critical-plus`, or `none`";

    fn parse(text: &str) -> Option<Self> {
        let mut read = Self::default();
        if text == NONE {
            return Some(read);
        }
        for entry in text.split(',').map(str::trim).filter(|entry| !entry.is_empty()) {
            let (path, class) = entry.rsplit_once('=')?;
            let (path, class) = (path.trim(), class_of(class.trim())?);
            // Two templates for one path would leave it to chance, and one that does not begin so matches nothing.
            read.router.insert(path, class).ok().filter(|()| path.starts_with('/'))?;
            read.said.push((path.to_owned(), class));
        }
        Some(read)
    }

    fn show(&self) -> String {
        if self.is_empty() {
            return NONE.to_owned();
        }
        let entries: Vec<_> = self.said.iter().map(|(path, class)| format!("{path}={class}")).collect();
        entries.join(", ")
    }
}

const NONE: &str = "none";

fn class_of(name: &str) -> Option<Criticality> {
    use Criticality::{Critical, CriticalPlus, Sheddable, SheddablePlus};
    [CriticalPlus, Critical, SheddablePlus, Sheddable].into_iter().find(|class| class.as_str() == name)
}

impl fmt::Debug for ByPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.said.iter().map(|(path, class)| (path, class.as_str()))).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_the_class_of_its_template_and_is_critical_without_one() {
        let by_path =
            ByPath::parse("/reports/{id}=sheddable, /pay = critical-plus,/static/{*rest}=sheddable-plus")
                .unwrap();
        assert_eq!(by_path.of("/reports/7"), Criticality::Sheddable);
        assert_eq!(by_path.of("/pay"), Criticality::CriticalPlus);
        assert_eq!(by_path.of("/static/css/a.css"), Criticality::SheddablePlus);
        assert_eq!(by_path.of("/reports"), Criticality::Critical);
        assert_eq!(by_path.of("/reports/7/8"), Criticality::Critical);
        assert_eq!(
            by_path.show(),
            "/reports/{id}=sheddable, /pay=critical-plus, /static/{*rest}=sheddable-plus"
        );
    }

    #[test]
    fn what_cannot_be_meant_is_refused() {
        for text in [
            "/a",
            "/a=urgent",
            "a=critical",
            "/a=critical,/a=sheddable",
            "/{a}=critical,/{b}=sheddable",
            "/{=critical",
        ] {
            assert!(ByPath::parse(text).is_none(), "{text}");
        }
        assert!(ByPath::parse("none").is_some_and(|none| none.is_empty() && none.show() == "none"));
    }
}
