//! Line charts as SVG: inline in a page, or a file of their own.

use super::text::number;
use crate::html::escape;
use std::fmt::Write as _;

const WIDTH: f64 = 600.0;
/// Of the plot alone.
const HEIGHT: f64 = 180.0;
const LEFT: f64 = 68.0;
const RIGHT: f64 = 14.0;
const BOTTOM: f64 = 42.0;
/// Of the title, and of each row of the legend below it.
const TITLE: f64 = 26.0;
const LEGEND: f64 = 18.0;
/// Entries in a row of the legend.
const ENTRIES: usize = 3;
/// The strip above the plot for the names of the bands.
const STRIP: f64 = 16.0;
/// Steps of an axis, at the most.
const STEPS: f64 = 8.0;
/// Powers of ten of a logarithmic axis, at the most; what is further below the top is drawn at the foot.
const DECADES: i32 = 6;
/// Width of a letter, about.
const LETTER: f64 = 6.2;
/// Lines are told apart by colour and by dashes.
pub(super) const COLOURS: usize = 4;

/// What the classes of a chart look like on white paper. Colours are told apart by those who see few, too (Okabe and
/// Ito).
const ON_PAPER: &str = ":root{--paper:#fff;--ink:#222;--grid:#ddd;--band:#f1f1f1;--c0:#0072b2;--c1:#d55e00;\
                        --c2:#777;--c3:#009e73}";

/// The classes of a chart, in the colours of the page that it is in.
pub(super) const STYLE: &str = "\
.chart{font:12px sans-serif}.chart text{fill:var(--ink)}.chart .title{font-weight:bold}\
.chart .name{font-size:11px;opacity:.8}.chart .grid{stroke:var(--grid)}.chart .band{fill:var(--band)}\
.chart .line{fill:none;stroke-width:1.8;stroke-linejoin:round}.chart .thin{stroke-width:.8;opacity:.45}\
.c0{stroke:var(--c0)}.c1{stroke:var(--c1);stroke-dasharray:6 2}.c2{stroke:var(--c2);stroke-dasharray:2 2}\
.c3{stroke:var(--c3);stroke-dasharray:8 2 2 2}";

/// Lines over a common axis that begins at 0.
#[derive(Debug, Default)]
pub struct Chart {
    pub title: String,
    /// What the axes count, with units.
    pub x: &'static str,
    /// The x axis goes so far at least.
    pub x_to: f64,
    pub y: &'static str,
    /// Powers of ten on the y axis; values of 0 and less are drawn at its foot.
    pub logarithmic: bool,
    pub lines: Vec<Line>,
    /// Each from where it begins to the next.
    pub bands: Vec<(f64, String)>,
}

#[derive(Debug)]
pub struct Line {
    /// In the legend; none for a line that has no entry there.
    pub name: Option<String>,
    /// Lines of the same number look the same.
    pub number: usize,
    /// One of those behind the line that is meant.
    pub thin: bool,
    /// A value that is no number is a gap.
    pub points: Vec<(f64, f64)>,
}

impl Line {
    pub fn new(name: impl Into<String>, number: usize, points: Vec<(f64, f64)>) -> Self {
        Self { name: Some(name.into()), number, thin: false, points }
    }
}

impl Chart {
    /// A file of its own, on white.
    pub fn file(&self) -> String {
        let svg = self.svg();
        let (head, body) = svg.split_once('>').expect("BUG: it begins with its tag");
        format!(
            "{head} xmlns=\"http://www.w3.org/2000/svg\">\n<style>{ON_PAPER}{STYLE}</style>\n\
             <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>{body}"
        )
    }

    /// An element for a page that has [`STYLE`] and its colours.
    pub(super) fn svg(&self) -> String {
        let frame = Frame::of(self);
        let mut out = format!(
            "<svg class=\"chart\" viewBox=\"0 0 {WIDTH} {}\" role=\"img\" aria-label=\"{}\">\n",
            frame.foot + BOTTOM,
            escape(&self.title)
        );
        self.draw_bands(&mut out, &frame);
        text(&mut out, "title", (LEFT, 17.0), "start", &format!("{} ({})", self.title, self.y));
        self.draw_axes(&mut out, &frame);
        // What is meant lies on top.
        for line in
            self.lines.iter().filter(|line| line.thin).chain(self.lines.iter().filter(|line| !line.thin))
        {
            draw_line(&mut out, &frame, line);
        }
        for (at, (line, name)) in self.named().enumerate() {
            draw_entry(&mut out, at, line, name);
        }
        out + "</svg>\n"
    }

    fn named(&self) -> impl Iterator<Item = (&Line, &str)> {
        self.lines.iter().filter_map(|line| Some((line, line.name.as_deref()?)))
    }

    fn draw_axes(&self, out: &mut String, frame: &Frame) {
        for value in frame.x.marks() {
            text(out, "mark", (frame.x(value), frame.foot + 17.0), "middle", &frame.x.label(value));
        }
        text(out, "mark", (WIDTH - RIGHT, frame.foot + 34.0), "end", self.x);
        for value in frame.y.marks() {
            let y = frame.y(value);
            let _ = writeln!(out, "<path class=\"grid\" d=\"M{LEFT} {y:.1}H{:.1}\"/>", WIDTH - RIGHT);
            text(out, "mark", (LEFT - 6.0, y + 4.0), "end", &frame.y.label(value));
        }
    }

    /// Every other one is shaded. A name stands upright where there is no room for it, and not at all where there is
    /// none for that.
    fn draw_bands(&self, out: &mut String, frame: &Frame) {
        for (number, (from, name)) in self.bands.iter().enumerate() {
            let to = self.bands.get(number + 1).map_or(frame.x.end, |next| next.0).min(frame.x.end);
            if !(0.0..to).contains(from) {
                continue;
            }
            let (left, right) = (frame.x(*from), frame.x(to));
            if number % 2 == 1 {
                let (top, width, height) = (frame.top - STRIP, right - left, HEIGHT + STRIP);
                let _ = writeln!(
                    out,
                    "<rect class=\"band\" x=\"{left:.1}\" y=\"{top}\" width=\"{width:.1}\" height=\"{height}\"/>"
                );
            }
            let name = shortened(name, (HEIGHT / LETTER) as usize - 4);
            if name.chars().count() as f64 * LETTER + 6.0 <= right - left {
                text(out, "name", (left + 4.0, frame.top - 4.0), "start", &name);
            } else if right - left >= 12.0 {
                let (x, y) = (left + 10.0, frame.top + 4.0);
                let _ = writeln!(
                    out,
                    "<text class=\"name\" transform=\"translate({x:.1} {y:.1}) rotate(90)\">{}</text>",
                    escape(&name)
                );
            }
        }
    }
}

fn draw_line(out: &mut String, frame: &Frame, line: &Line) {
    let mut path = String::new();
    for part in line.points.split(|(x, y)| !x.is_finite() || !y.is_finite()) {
        for (at, (x, y)) in part.iter().enumerate() {
            let _ = write!(path, "{}{:.1} {:.1}", if at == 0 { 'M' } else { 'L' }, frame.x(*x), frame.y(*y));
        }
        if let [(x, y)] = part {
            // A lone point is shown as a short dash.
            let _ = write!(path, "M{:.1} {:.1}h3", frame.x(*x) - 1.5, frame.y(*y));
        }
    }
    if !path.is_empty() {
        let thin = if line.thin { " thin" } else { "" };
        let _ = writeln!(out, "<path class=\"line{thin} c{}\" d=\"{path}\"/>", line.number % COLOURS);
    }
}

fn draw_entry(out: &mut String, at: usize, line: &Line, name: &str) {
    let width = (WIDTH - LEFT - RIGHT) / ENTRIES as f64;
    let (x, y) = (LEFT + (at % ENTRIES) as f64 * width, TITLE + (at / ENTRIES) as f64 * LEGEND + 6.0);
    let _ = writeln!(out, "<path class=\"line c{}\" d=\"M{x:.1} {y}h18\"/>", line.number % COLOURS);
    text(out, "name", (x + 23.0, y + 4.0), "start", &shortened(name, ((width - 26.0) / LETTER) as usize));
}

fn text(out: &mut String, class: &str, (x, y): (f64, f64), anchor: &str, text: &str) {
    let text = escape(text);
    let _ = writeln!(
        out,
        "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{text}</text>"
    );
}

fn shortened(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    text.chars().take(most.saturating_sub(1)).chain(['…']).collect()
}

/// Where values are in the picture.
struct Frame {
    x: Axis,
    y: Axis,
    top: f64,
    foot: f64,
}

impl Frame {
    fn of(chart: &Chart) -> Self {
        let points = || {
            let all = chart.lines.iter().flat_map(|line| &line.points);
            all.filter(|(x, y)| x.is_finite() && y.is_finite())
        };
        let y = points().map(|point| point.1);
        let y = if chart.logarithmic { Axis::logarithmic(y) } else { Axis::linear(y) };
        let rows = chart.named().count().div_ceil(ENTRIES);
        let strip = if chart.bands.is_empty() { 0.0 } else { STRIP };
        let top = TITLE + rows as f64 * LEGEND + 4.0 + strip;
        let x = points().map(|point| point.0).chain([chart.x_to]);
        Self { x: Axis::linear(x), y, top, foot: top + HEIGHT }
    }

    fn x(&self, value: f64) -> f64 {
        LEFT + self.x.share(value) * (WIDTH - LEFT - RIGHT)
    }

    fn y(&self, value: f64) -> f64 {
        self.foot - self.y.share(value) * HEIGHT
    }
}

/// From 0, or from a power of ten, to a round number.
struct Axis {
    end: f64,
    /// Of the marks; a logarithmic axis has one at each power of ten, from this one on.
    step: Step,
}

enum Step {
    By(f64),
    From(i32),
}

impl Axis {
    fn linear(values: impl Iterator<Item = f64>) -> Self {
        // What is beyond is not drawn to scale, and nothing that was measured is.
        let most = values.fold(0.0, f64::max).clamp(1e-9, 1e300);
        let power = 10f64.powf((most / STEPS).log10().floor());
        let step =
            [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power).into_iter().find(|step| most / step <= STEPS);
        let step = step.unwrap_or(10.0 * power);
        Self { end: (most / step).ceil() * step, step: Step::By(step) }
    }

    fn logarithmic(values: impl Iterator<Item = f64>) -> Self {
        let above = values.filter(|value| *value > 0.0).map(|value| value.clamp(1e-9, 1e300));
        let (least, most) =
            above.fold((f64::INFINITY, 0.0), |(least, most), value| (value.min(least), value.max(most)));
        if most == 0.0 {
            return Self { end: 1.0, step: Step::From(-1) };
        }
        let top = most.log10().ceil() as i32;
        let foot = (least.log10().floor() as i32).clamp(top - DECADES, top - 1);
        Self { end: 10f64.powi(top), step: Step::From(foot) }
    }

    /// From 0 at the beginning to 1 at the end.
    fn share(&self, value: f64) -> f64 {
        let share = match self.step {
            Step::By(_) => value / self.end,
            Step::From(foot) if value > 0.0 => {
                let foot = f64::from(foot);
                (value.log10() - foot) / (self.end.log10() - foot)
            }
            Step::From(_) => 0.0,
        };
        share.clamp(0.0, 1.0)
    }

    fn marks(&self) -> Vec<f64> {
        match self.step {
            Step::By(step) => {
                let steps = (self.end / step).round().min(STEPS + 1.0) as u64;
                (0..=steps).map(|number| number as f64 * step).collect()
            }
            Step::From(foot) => (foot..=foot + DECADES)
                .map(|power| 10f64.powi(power))
                .take_while(|mark| *mark <= self.end * 1.01)
                .collect(),
        }
    }

    /// Of a mark, with as many decimals as the marks need.
    fn label(&self, mark: f64) -> String {
        let smallest = match self.step {
            Step::By(step) => step,
            Step::From(_) => mark,
        };
        number(mark, (-smallest.log10().floor()).clamp(0.0, 9.0) as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn chart(points: Vec<(f64, f64)>) -> Chart {
        Chart {
            title: "Load".into(),
            x: "s",
            y: "cores",
            lines: vec![Line::new("a", 0, points)],
            ..Chart::default()
        }
    }

    fn marks(axis: &Axis) -> Vec<String> {
        axis.marks().iter().map(|mark| axis.label(*mark)).collect()
    }

    #[test]
    fn axes_have_round_numbers() {
        for (most, labels) in [
            (7.9, &["0", "1", "2", "3", "4", "5", "6", "7", "8"][..]),
            (0.3, &["0.00", "0.05", "0.10", "0.15", "0.20", "0.25", "0.30"]),
            (848_000.0, &["0", "200,000", "400,000", "600,000", "800,000", "1,000,000"]),
        ] {
            assert_eq!(marks(&Axis::linear([most].into_iter())), labels, "{most}");
        }
        for (values, labels) in [
            (&[0.5, 400.0][..], &["0.1", "1", "10", "100", "1,000"][..]),
            (&[1.0], &["0.1", "1"]),
            (&[], &["0.1", "1"]),
            (&[0.0, 1e-9, 90.0], &["0.0001", "0.001", "0.01", "0.1", "1", "10", "100"]),
        ] {
            assert_eq!(marks(&Axis::logarithmic(values.iter().copied())), labels, "{values:?}");
        }
    }

    #[test]
    fn a_gap_breaks_the_line_and_a_lone_point_is_seen() {
        let svg = chart(vec![(0.0, 0.0), (5.0, 5.0), (6.0, f64::NAN), (10.0, 10.0)]).svg();
        assert!(svg.contains("d=\"M68.0 228.0L327.0 138.0M586.0 48.0M584.5 48.0h3\""), "{svg}");
    }

    #[test]
    fn names_are_escaped_and_cut_to_their_room() {
        let mut chart = chart(vec![(0.0, 1.0), (100.0, 1.0)]);
        chart.title = "<script>".into();
        chart.lines[0].name = Some("&".repeat(1_000));
        chart.bands = vec![
            (0.0, "<b>".into()),
            (50.0, "long name".repeat(20)),
            (95.0, "narrow".into()),
            (99.9, "x".into()),
        ];
        let svg = chart.svg();
        assert!(
            !svg.contains("<script") && svg.contains("&lt;script&gt;") && svg.contains("&lt;b&gt;"),
            "{svg}"
        );
        assert!(svg.len() < 4_000, "{} bytes", svg.len());
        assert_eq!(svg.matches("class=\"band\"").count(), 2);
        assert!(svg.contains("rotate(90)\">narrow<") && !svg.contains(">x<"), "{svg}");
    }

    #[test]
    fn a_file_has_its_own_colours() {
        let file = chart(vec![(0.0, 1.0)]).file();
        assert!(file.starts_with("<svg class=\"chart\""), "{file}");
        assert!(
            file.contains("xmlns=\"http://www.w3.org/2000/svg\"") && file.contains("--c0:#0072b2"),
            "{file}"
        );
    }

    proptest! {
        #[test]
        fn any_points_are_drawn_within_the_picture(
            points in prop::collection::vec((any::<f64>(), any::<f64>()), 0..20), logarithmic in any::<bool>(),
        ) {
            let mut chart = chart(points);
            chart.logarithmic = logarithmic;
            let svg = chart.svg();
            prop_assert!(!svg.contains("NaN") && !svg.contains("inf"), "{}", svg);
            prop_assert!(svg.len() < 6_000, "{}", svg.len());
        }
    }
}
