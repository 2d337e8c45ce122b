//! Line charts as SVG.

use std::fmt::Write as _;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 300.0;
const LEFT: f64 = 60.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 50.0;
const BOTTOM: f64 = 45.0;
/// Told apart by those who see few colours, too (Okabe and Ito).
const COLOURS: [&str; 4] = ["#0072b2", "#d55e00", "#999999", "#009e73"];
/// Steps of an axis, at the most.
const STEPS: f64 = 8.0;

pub struct Chart {
    pub title: String,
    pub x: &'static str,
    pub y: &'static str,
    pub lines: Vec<Line>,
}

pub struct Line {
    pub name: String,
    pub points: Vec<(f64, f64)>,
}

impl Chart {
    pub fn svg(&self) -> String {
        let points = || self.lines.iter().flat_map(|line| &line.points);
        let (x, y) = (Axis::to(points().map(|point| point.0)), Axis::to(points().map(|point| point.1)));
        let at = |(px, py): (f64, f64)| {
            (
                LEFT + px / x.end * (WIDTH - LEFT - RIGHT),
                HEIGHT - BOTTOM - py / y.end * (HEIGHT - TOP - BOTTOM),
            )
        };
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" font-family=\"sans-serif\" \
             font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n"
        );
        text(&mut out, (LEFT, 18.0), "start", &format!("{} ({})", self.title, self.y));
        for value in x.marks() {
            let (px, py) = at((value, 0.0));
            text(&mut out, (px, py + 18.0), "middle", &value.to_string());
        }
        text(&mut out, (WIDTH - RIGHT, HEIGHT - 8.0), "end", self.x);
        for value in y.marks() {
            let ((from, py), (to, _)) = (at((0.0, value)), at((x.end, value)));
            let _ = writeln!(out, "<path d=\"M{from:.1} {py:.1}H{to:.1}\" stroke=\"#ddd\"/>");
            text(&mut out, (LEFT - 6.0, py + 4.0), "end", &value.to_string());
        }
        for (number, line) in self.lines.iter().enumerate() {
            let colour = COLOURS[number % COLOURS.len()];
            let path: Vec<String> = line
                .points
                .iter()
                .map(|point| at(*point))
                .map(|(px, py)| format!("{px:.1} {py:.1}"))
                .collect();
            let path = path.join("L");
            let _ =
                writeln!(out, "<path d=\"M{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/>");
            let px = LEFT + number as f64 * 220.0;
            let _ = writeln!(out, "<path d=\"M{px} 34h18\" stroke=\"{colour}\" stroke-width=\"3\"/>");
            text(&mut out, (px + 24.0, 38.0), "start", &line.name);
        }
        out + "</svg>\n"
    }
}

fn text(out: &mut String, (x, y): (f64, f64), anchor: &str, text: &str) {
    let _ =
        writeln!(out, "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"#222\">{text}</text>");
}

/// From 0 to a round number.
struct Axis {
    end: f64,
    step: f64,
}

impl Axis {
    fn to(values: impl Iterator<Item = f64>) -> Self {
        let most = values.fold(0.0, f64::max).max(1e-9);
        let power = 10f64.powf((most / STEPS).log10().floor());
        let step =
            [1.0, 2.0, 5.0, 10.0].map(|factor| factor * power).into_iter().find(|step| most / step <= STEPS);
        let step = step.unwrap_or(10.0 * power);
        Self { end: (most / step).ceil() * step, step }
    }

    fn marks(&self) -> impl Iterator<Item = f64> {
        (0..=(self.end / self.step).round() as u64).map(|number| number as f64 * self.step)
    }
}
