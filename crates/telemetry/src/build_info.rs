//! Which build it is that runs.

use macadam_core::{Gauges, Metric, Reading};

/// What is known of the build of a service. Made by [`build_info!`](crate::build_info!), in the service's own crate.
///
/// As [`Gauges`] it is `macadam_build_info`, which is 1, with what is known as its labels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct BuildInfo {
    /// The version of the service's package.
    pub version: Option<&'static str>,
    /// The commit that it was built from.
    pub commit: Option<&'static str>,
    /// Cargo's profile.
    pub profile: Option<&'static str>,
    /// Whether it was built with debug assertions.
    pub debug_assertions: bool,
}

/// What is known of the build of the crate in which this stands, as a [`BuildInfo`].
///
/// The version is the package's, and debug assertions are what the compiler says. What cargo does not tell a crate is read from
/// the environment of the compiler, and unknown where that has nothing:
///
/// - the commit from `VERGEN_GIT_SHA` (the crate vergen), `GIT_COMMIT` (Jenkins, or your own), `GITHUB_SHA` or
///   `CI_COMMIT_SHA` (GitLab), the first of them;
/// - the profile from `PROFILE`, which a build script knows, and hands on with
///   `println!("cargo::rustc-env=PROFILE={}", std::env::var("PROFILE").unwrap())`.
///
/// ```
/// let build = macadam_telemetry::build_info!();
/// assert_eq!(build.debug_assertions, cfg!(debug_assertions));
/// ```
#[macro_export]
macro_rules! build_info {
    () => {
        $crate::BuildInfo::new(
            ::core::option_env!("CARGO_PKG_VERSION"),
            [
                ::core::option_env!("VERGEN_GIT_SHA"),
                ::core::option_env!("GIT_COMMIT"),
                ::core::option_env!("GITHUB_SHA"),
                ::core::option_env!("CI_COMMIT_SHA"),
            ],
            ::core::option_env!("PROFILE"),
            ::core::cfg!(debug_assertions),
        )
    };
}

impl BuildInfo {
    /// What a crate knows of its own build: call [`build_info!`](crate::build_info!).
    #[doc(hidden)]
    pub fn new<const N: usize>(
        version: Option<&'static str>,
        commits: [Option<&'static str>; N],
        profile: Option<&'static str>,
        debug_assertions: bool,
    ) -> Self {
        // A variable that is empty is one that nobody has set.
        let said = |text: &&str| !text.is_empty();
        Self {
            version: version.filter(said),
            commit: commits.into_iter().flatten().find(said),
            profile: profile.filter(said),
            debug_assertions,
        }
    }
}

impl Gauges for BuildInfo {
    fn read(&self, out: &mut dyn FnMut(Reading<'_>)) {
        let debug_assertions = if self.debug_assertions { "true" } else { "false" };
        let all = [
            ("version", self.version),
            ("commit", self.commit),
            ("profile", self.profile),
            ("debug_assertions", Some(debug_assertions)),
        ];
        let known: Vec<_> = all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        out(Reading { name: NAME, labels: &known, value: 1.0 });
    }

    fn metrics(&self) -> &'static [Metric] {
        Self::METRICS
    }
}

impl BuildInfo {
    /// What its figures mean.
    pub const METRICS: &'static [Metric] = &[Metric::new(
        NAME,
        "Which build runs: always 1",
        &["version", "commit", "profile", "debug_assertions"],
    )
    .at_most(1)];
}

const NAME: &str = "macadam_build_info";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_says_is_unknown_and_the_first_who_says_the_commit_is_believed() {
        let build =
            BuildInfo::new(Some("1.2.3"), [None, Some(""), Some("abc"), Some("def")], Some(""), false);
        assert_eq!((build.commit, build.profile), (Some("abc"), None));
        let mut seen = Vec::new();
        build.read(&mut |reading| {
            let labels: Vec<_> = reading.labels.iter().map(|(_, value)| (*value).to_owned()).collect();
            seen.push((reading.name, labels, reading.value));
        });
        let labels = ["1.2.3", "abc", "false"].map(str::to_owned).to_vec();
        assert_eq!(seen, [("macadam_build_info", labels, 1.0)]);
    }

    #[test]
    fn the_macro_reads_what_its_crate_knows() {
        let build = crate::build_info!();
        assert_eq!(build.version, Some(env!("CARGO_PKG_VERSION")));
        assert_eq!(build.debug_assertions, cfg!(debug_assertions));
    }
}
