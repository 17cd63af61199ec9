//! The figures: what each arm does with each load.

use std::{error::Error, path::Path};

use plotters::prelude::*;

use crate::{
    arm::Arm,
    plant::Kind,
    scenario::{GOODPUT, P99},
    tournament::Outcome,
};

/// Writes goodput and p99 against offered load, for both plants, into `folder`.
///
/// # Errors
///
/// If a file cannot be written.
pub fn write(outcome: &Outcome, folder: &Path) -> Result<(), Box<dyn Error>> {
    for (kind, name) in [(Kind::Pool, "pool"), (Kind::Contended, "contended")] {
        let goodput = Chart {
            title: format!("Goodput, {}", kind.name()),
            unit: GOODPUT,
            curves: curves(outcome, kind, GOODPUT),
        };
        goodput.write(&folder.join(format!("goodput-{name}.svg")), 0.0..115.0)?;
        let p99 = Chart {
            title: format!("p99 of the admitted, {}", kind.name()),
            unit: P99,
            curves: curves(outcome, kind, P99),
        };
        p99.write(&folder.join(format!("p99-{name}.svg")), 0.0..550.0)?;
    }
    Ok(())
}

struct Chart {
    title: String,
    unit: &'static str,
    curves: Vec<Curve>,
}

struct Curve {
    arm: Arm,
    /// Load in capacities, and the median of the seeds.
    points: Vec<(f64, f64)>,
}

fn curves(outcome: &Outcome, kind: Kind, what: &str) -> Vec<Curve> {
    let curve = |arm: Arm| {
        let rows = outcome.rows.iter().filter(|row| row.what == what);
        let point = |row: &crate::tournament::Row| {
            let (_, load) = row.point.filter(|(of, _)| *of == kind)?;
            Some((load, row.median(arm.name())?)).filter(|(_, value)| value.is_finite())
        };
        Curve { arm, points: rows.filter_map(point).collect() }
    };
    Arm::all(0).into_iter().map(curve).filter(|curve| !curve.points.is_empty()).collect()
}

impl Chart {
    fn write(&self, path: &Path, range: std::ops::Range<f64>) -> Result<(), Box<dyn Error>> {
        if self.curves.is_empty() {
            return Ok(());
        }
        let root = SVGBackend::new(path, SIZE).into_drawing_area();
        root.fill(&WHITE)?;
        let (plot, legend) = root.split_horizontally(SIZE.0 - LEGEND_WIDTH);
        let mut chart = ChartBuilder::on(&plot)
            .caption(&self.title, (FONT, 22))
            .margin(12)
            .x_label_area_size(40)
            .y_label_area_size(60)
            .build_cartesian_2d((0.8..10.0).log_scale(), range)?;
        chart
            .configure_mesh()
            .x_desc("offered load, capacities")
            .y_desc(self.unit)
            .light_line_style(TRANSPARENT)
            .bold_line_style(BLACK.mix(0.12))
            .x_label_formatter(&|load| format!("{load}×"))
            .y_label_formatter(&f64::to_string)
            .label_style((FONT, 15))
            .axis_desc_style((FONT, 16))
            .draw()?;
        for (index, curve) in self.curves.iter().enumerate() {
            let style = curve.style();
            chart.draw_series(LineSeries::new(curve.points.iter().copied(), style))?;
            chart.draw_series(curve.points.iter().map(|&point| Circle::new(point, 2, style.filled())))?;
            let y = 60 + 22 * index as i32;
            legend.draw(&PathElement::new([(0, y), (22, y)], style))?;
            legend.draw(&Text::new(curve.arm.name(), (28, y - 7), (FONT, 16)))?;
        }
        root.present()?;
        Ok(())
    }
}

impl Curve {
    /// Ours is the thick one.
    fn style(&self) -> ShapeStyle {
        let (red, green, blue) = match self.arm {
            Arm::Nothing => (0x99, 0x99, 0x99),
            Arm::Tuned(_) => (0x00, 0x72, 0xb2),
            Arm::Guessed(64) => (0x56, 0xb4, 0xe9),
            Arm::Guessed(_) => (0x7b, 0x6f, 0xc9),
            Arm::Little => (0xe6, 0x9f, 0x00),
            Arm::Aimd => (0x00, 0x9e, 0x73),
            Arm::Vegas => (0xcc, 0x79, 0xa7),
            Arm::Ours | Arm::OursByClass | Arm::OursByTenant => (0xd5, 0x2b, 0x1e),
        };
        RGBColor(red, green, blue).stroke_width(if self.arm == Arm::Ours { 3 } else { 1 })
    }
}

const SIZE: (u32, u32) = (860, 460);
const LEGEND_WIDTH: u32 = 210;
const FONT: &str = "sans-serif";
