//! What a probe asks: the path and the query.

/// One of the three questions that a platform asks a process. There will be no fourth.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Probe {
    /// Would a restart help?
    Liveness,
    /// Should it get traffic?
    Readiness,
    /// Has it started?
    Startup,
}

impl Probe {
    /// `livez`, `readyz` or `startupz`: its path, without the slash.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Liveness => "livez",
            Self::Readiness => "readyz",
            Self::Startup => "startupz",
        }
    }
}

/// The probe that a path names, and the one check of it, if it names one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Target<'a> {
    pub(crate) probe: Probe,
    pub(crate) check: Option<&'a str>,
}

impl<'a> Target<'a> {
    /// `/readyz` or `/readyz/{check}`; nothing for a path that belongs to somebody else.
    pub(crate) fn of(path: &'a str) -> Option<Self> {
        let path = path.strip_prefix('/')?;
        [Probe::Liveness, Probe::Readiness, Probe::Startup].into_iter().find_map(|probe| {
            let rest = path.strip_prefix(probe.as_str())?;
            match rest.strip_prefix('/') {
                Some(check) => Some(Self { probe, check: Some(check) }),
                None => rest.is_empty().then_some(Self { probe, check: None }),
            }
        })
    }
}

/// `?verbose&exclude=a&exclude=b`.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Query<'a> {
    pub(crate) verbose: bool,
    /// Sorted, and each once.
    pub(crate) excluded: Vec<&'a str>,
}

impl<'a> Query<'a> {
    /// Reads the first 64 parameters: more than any probe has, and no work for a peer to order.
    ///
    /// Nothing is percent-decoded: no character of a check's name is ever encoded.
    pub(crate) fn of(query: Option<&'a str>) -> Self {
        let mut read = Self::default();
        for pair in query.unwrap_or_default().split('&').take(PARAMETERS) {
            match pair.split_once('=').unwrap_or((pair, "")) {
                ("verbose", _) => read.verbose = true,
                ("exclude", name) => read.excluded.push(name),
                _ => {}
            }
        }
        read.excluded.sort_unstable();
        read.excluded.dedup();
        read
    }
}

const PARAMETERS: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_a_probe_and_perhaps_a_check() {
        let target = |path| Target::of(path).map(|target| (target.probe.as_str(), target.check));
        assert_eq!(target("/livez"), Some(("livez", None)));
        assert_eq!(target("/readyz/postgres"), Some(("readyz", Some("postgres"))));
        assert_eq!(target("/startupz/"), Some(("startupz", Some(""))));
        for foreign in
            ["", "*", "/", "/livezz", "/live", "/readyz.html", "/orders/livez", "//livez", "/LIVEZ"]
        {
            assert_eq!(target(foreign), None, "{foreign}");
        }
    }

    #[test]
    fn queries_are_verbose_and_exclude() {
        let query = |text| Query::of(Some(text));
        assert_eq!(Query::of(None), Query::default());
        assert_eq!(query(""), Query::default());
        assert!(query("verbose").verbose);
        assert!(query("a=b&verbose=true").verbose);
        assert!(!query("verbosely").verbose);
        assert_eq!(query("exclude=b&exclude=a&exclude=b&exclude").excluded, ["", "a", "b"]);
    }

    #[test]
    fn no_more_than_64_parameters_are_read() {
        let text: String = (0..100).map(|n| format!("exclude=check{n}&")).collect();
        assert_eq!(Query::of(Some(&text)).excluded.len(), 64);
    }
}
