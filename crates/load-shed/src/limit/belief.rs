//! What the curve of throughput against concurrency may be, for all that was seen.

use super::profile::{Point, Profile};

/// The curves that may be, with weights that add up to 1 (Bayes).
#[derive(Debug, Default)]
pub(super) struct Belief {
    curves: Vec<Curve>,
    /// The response time, as the share of the throughput that it is worth.
    delay: f64,
    /// The elasticity of throughput below which less concurrency is worth more, beyond a bend.
    thrift: f64,
}

/// A curve of throughput against concurrency.
#[derive(Clone, Copy, Debug)]
pub(super) struct Curve {
    shape: Shape,
    /// As logarithms: how many in flight are at the knee, and what the throughput is there at most.
    knee: f64,
    height: f64,
    weight: f64,
}

#[derive(Clone, Copy, Debug)]
enum Shape {
    /// Servers and a queue before them: proportional up to the knee, and flat from there on.
    Pool,
    /// The same with a soft bend, such as of several pools one after the other.
    Soft,
    /// Everybody is in everybody's way, as in Gunther's universal scalability law: highest at the knee.
    Contended,
}

impl Belief {
    /// Of curves with their knee at one of `levels`, how likely each is after what was seen, if it is more likely to be
    /// near `limit` than far from it.
    pub(super) fn of(profile: &Profile, points: &[Point], limit: f64, levels: &[f64]) -> Self {
        let mut curves = Vec::with_capacity(3 * levels.len());
        for shape in [Shape::Pool, Shape::Soft, Shape::Contended] {
            for knee in levels {
                let mut curve = Curve { shape, knee: knee.ln(), height: 0.0, weight: 0.0 };
                curve.fit(points);
                curve.weight -= 0.5 * ((knee / limit).ln() / PRIOR).powi(2);
                curve.weight += profile.likelihood_of_one(curve.at(1.0));
                curves.push(curve);
            }
        }
        let best = curves.iter().map(|curve| curve.weight).fold(f64::NEG_INFINITY, f64::max);
        curves.retain(|curve| curve.weight > best - NEGLIGIBLE);
        let sum: f64 = curves.iter().map(|curve| (curve.weight - best).exp()).sum();
        for curve in &mut curves {
            curve.weight = (curve.weight - best).exp() / sum;
        }
        let mut belief = Self { curves, delay: 0.0, thrift: 0.0 };
        belief.delay = limit / belief.expects(limit).exp() / DELAY_WORTH;
        belief.thrift = belief.delay.clamp(THRIFT, MOST_THRIFT);
        belief
    }

    /// The logarithm of the throughput at a limit, on average over the curves.
    pub(super) fn expects(&self, limit: f64) -> f64 {
        self.curves.iter().map(|curve| curve.weight * curve.at(limit)).sum()
    }

    /// What a limit is worth: the logarithm of its throughput, less what its delay costs.
    pub(super) fn worth(&self, limit: f64) -> f64 {
        self.curves.iter().map(|curve| curve.weight * self.worth_on(*curve, limit)).sum()
    }

    /// What it would be worth if this were the curve: less than its throughput by what is beyond the bend, which only
    /// waits, and by hardly anything up to there, where a response time is what it takes.
    pub(super) fn worth_on(&self, curve: Curve, limit: f64) -> f64 {
        curve.at(limit) - self.thrift * (limit.ln() - curve.bend()).max(0.0) - LEAST_THRIFT * limit.ln()
    }

    /// What it costs to be at `level` instead of at `limit`, as a share of the throughput: what is not done, and that
    /// everybody takes longer.
    pub(super) fn price(&self, limit: f64, level: f64) -> f64 {
        (self.expects(limit) - self.expects(level) + self.delay * (level / limit).ln()).max(0.0)
    }

    /// How far what is seen at a limit is from what was expected, in standard deviations; zero if nothing was.
    pub(super) fn deviation(&self, limit: f64, seen: f64, variance: f64) -> f64 {
        if self.curves.is_empty() { 0.0 } else { (seen.ln() - self.expects(limit)) / variance.sqrt() }
    }

    /// Whether one of the curves goes through what is seen at a limit too.
    pub(super) fn explains(&self, limit: f64, seen: f64, variance: f64) -> bool {
        let most = self.curves.iter().map(|curve| curve.weight).fold(0.0, f64::max);
        self.curves.is_empty()
            || self.curves.iter().any(|curve| {
                let missed = (seen.ln() - curve.at(limit)).powi(2) / variance;
                (curve.weight / most).ln() - 0.5 * missed > -STRANGE
            })
    }

    /// One of the curves, from the one with the lowest knee (0) to the one with the highest (1), the likely ones more
    /// often than the others. (Thompson sampling, 1933; what is unlikely is tried more often than he would, since what
    /// was true a moment ago need not be.)
    pub(super) fn sample(&self, quantile: f64) -> Option<Curve> {
        let mut curves = self.curves.clone();
        curves.sort_by(|a, b| a.knee.total_cmp(&b.knee));
        let mut left = quantile * curves.iter().map(|curve| curve.weight.sqrt()).sum::<f64>();
        curves.into_iter().find(|curve| {
            left -= curve.weight.sqrt();
            left <= 0.0
        })
    }
}

impl Curve {
    /// The logarithm of the throughput at a limit.
    fn at(&self, limit: f64) -> f64 {
        self.height + self.shape.at(limit.ln() - self.knee)
    }

    /// From where on more in flight hardly do more, as a logarithm: a soft one is at 98 % at twice its knee.
    fn bend(&self) -> f64 {
        match self.shape {
            Shape::Pool | Shape::Contended => self.knee,
            Shape::Soft => self.knee + std::f64::consts::LN_2,
        }
    }

    /// Moves it up or down to where it goes through the points best, and weighs it by how well that is.
    fn fit(&mut self, points: &[Point]) {
        let rest = |point: &Point| point.rate - self.shape.at(point.limit - self.knee);
        let sum: f64 = points.iter().map(|point| point.weight).sum();
        let height = points.iter().map(|point| point.weight * rest(point)).sum::<f64>() / sum;
        self.weight = points.iter().map(|point| -0.5 * point.weight * (rest(point) - height).powi(2)).sum();
        self.height = height;
    }
}

impl Shape {
    /// The logarithm of the share of the most, at a distance from the knee that is a logarithm too.
    fn at(self, x: f64) -> f64 {
        match self {
            Self::Pool => x.min(0.0),
            Self::Soft => -0.25 * (-4.0 * x).exp().ln_1p(),
            // Of 2n / (1 + n²).
            Self::Contended => -x.cosh().ln(),
        }
    }
}

/// How far from the limit the knee is thought to be, as a logarithm, before anything is seen: a factor of three.
const PRIOR: f64 = 1.0;
/// What is so much less likely than the best, as a logarithm, is left out.
const NEGLIGIBLE: f64 = 7.0;
/// What is so unlikely for every curve, as a logarithm, is another capacity: 3.5 standard deviations.
const STRANGE: f64 = 6.0;
/// The seconds of response time that are worth a part of the throughput as large as their part of this. As thrift,
/// within limits.
const DELAY_WORTH: f64 = 1.0;
const THRIFT: f64 = 0.1;
const MOST_THRIFT: f64 = 0.3;
/// What it is before a bend: of two limits that do the same, the lower one.
const LEAST_THRIFT: f64 = 0.01;

#[cfg(test)]
mod tests {
    use super::*;

    /// What is believed of a pool of sixteen, of a hundred a second each, that was seen at these limits.
    fn belief(limits: &[f64]) -> Belief {
        let point =
            |limit: &f64| Point { limit: limit.ln(), rate: (100.0 * limit.min(16.0)).ln(), weight: 10_000.0 };
        let points: Vec<Point> = limits.iter().map(point).collect();
        let levels: Vec<f64> = (1..100).map(f64::from).collect();
        Belief::of(&Profile::default(), &points, 32.0, &levels)
    }

    #[test]
    fn what_was_seen_on_both_sides_of_a_knee_shows_where_it_is() {
        let belief = belief(&[8.0, 12.0, 20.0, 32.0]);
        assert!((belief.expects(16.0).exp() - 1600.0).abs() < 100.0, "which nobody has tried");
        let best = (1..100).map(f64::from).max_by(|a, b| belief.worth(*a).total_cmp(&belief.worth(*b)));
        assert!((15.0..=18.0).contains(&best.unwrap()), "{best:?}");
    }

    #[test]
    fn another_capacity_is_explained_by_no_curve_and_a_knee_is() {
        let belief = belief(&[8.0, 12.0]);
        assert!(belief.explains(16.0, 1600.0, 0.01) && belief.explains(16.0, 1200.0, 0.01));
        assert!(!belief.explains(12.0, 600.0, 0.01) && !belief.explains(12.0, 2400.0, 0.01));
    }

    #[test]
    fn curves_are_drawn_from_the_lowest_knee_to_the_highest() {
        let belief = belief(&[12.0]);
        let knees: Vec<f64> = [0.1, 0.5, 0.9].iter().map(|at| belief.sample(*at).unwrap().knee).collect();
        assert!(knees.is_sorted() && knees[0] < knees[2], "{knees:?}");
    }
}
