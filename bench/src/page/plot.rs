//! Curves as SVG. Their colours stand for roles: the page's style sheet gives them others on a dark ground.

use super::{figures::three, labels};
use plotters::{
    prelude::*,
    style::text_anchor::{HPos, Pos, VPos},
};

/// Narrow enough for a phone to show it as it is.
const SIZE: (u32, u32) = (440, 400);
/// Between two such names.
const GAP: i32 = 15;

const INK: RGBColor = RGBColor(0x11, 0x11, 0x11);
const GRID: RGBColor = RGBColor(0xdd, 0xdd, 0xdd);
/// Of what others are compared with.
const QUIET: RGBColor = RGBColor(0x76, 0x76, 0x76);
/// Okabe and Ito's colours, told apart by everybody. When they are through, lines are dashed.
const COLOURS: [RGBColor; 6] = [
    RGBColor(0x00, 0x72, 0xb2),
    RGBColor(0xd5, 0x5e, 0x00),
    RGBColor(0x00, 0x9e, 0x73),
    RGBColor(0xcc, 0x79, 0xa7),
    RGBColor(0xe6, 0x9f, 0x00),
    RGBColor(0x56, 0xb4, 0xe9),
];

/// A line with its name at the right end.
#[derive(Clone, Debug)]
pub struct Line {
    /// Its name.
    pub name: String,
    /// Whether the others are compared with it.
    pub quiet: bool,
    /// From left to right.
    pub points: Vec<Point>,
}

/// One point, and how far its samples spread.
#[derive(Clone, Copy, Debug)]
pub struct Point {
    /// Right.
    pub x: f64,
    /// Up.
    pub y: f64,
    /// The spread of `y`.
    pub spread: (f64, f64),
}

/// A picture: both axes logarithmic.
#[derive(Clone, Debug)]
pub struct Chart<'a> {
    /// What it shows, for who cannot see it.
    pub title: &'a str,
    /// What is to the right.
    pub x: &'a str,
    /// What is up.
    pub y: &'a str,
    /// Where the axis to the right has its numbers.
    pub ticks: Vec<f64>,
    /// What is drawn.
    pub lines: Vec<Line>,
}

impl Chart<'_> {
    /// The picture as an element of HTML; none if no line has a point.
    pub fn svg(&self) -> anyhow::Result<Option<String>> {
        let lines: Vec<&Line> = self.lines.iter().filter(|line| !line.points.is_empty()).collect();
        let points = || lines.iter().flat_map(|line| &line.points);
        let Some(width) = range(points().map(|point| point.x), 1.06) else { return Ok(None) };
        let ends = points().flat_map(|point| [point.spread.0, point.spread.1, point.y]);
        let Some(height) = range(ends, 1.12) else { return Ok(None) };
        let margin = names_take(&lines);
        let mut svg = String::new();
        {
            let root = SVGBackend::with_string(&mut svg, SIZE).into_drawing_area();
            let mut builder = ChartBuilder::on(&root);
            builder.margin_top(26).margin_right(margin).margin_left(4).x_label_area_size(42);
            let across = width.log_scale().with_key_points(self.ticks.clone());
            let up = height.clone().log_scale().with_key_points(steps(height.start, height.end));
            let mut chart = builder.y_label_area_size(44).build_cartesian_2d(across, up)?;
            let label = |text: &f64| number(*text);
            let mut mesh = chart.configure_mesh();
            mesh.light_line_style(TRANSPARENT).bold_line_style(GRID).axis_style(QUIET).x_desc(self.x);
            mesh.label_style(font(12.0).color(&INK)).axis_desc_style(font(12.5).color(&INK));
            mesh.x_label_formatter(&label).y_label_formatter(&label).draw()?;
            root.draw(&Text::new(self.y.to_owned(), (4, 6), font(12.5).color(&INK)))?;
            let mut names = Vec::new();
            for (line, (colour, dashed)) in lines.iter().zip(colours(&lines)) {
                for point in &line.points {
                    let ends = [point.spread.0, point.spread.1].map(|end| (point.x, end));
                    chart.draw_series([PathElement::new(ends, colour.mix(0.45).stroke_width(3))])?;
                }
                let course: Vec<_> = line.points.iter().map(|point| (point.x, point.y)).collect();
                let thick = if line.quiet { 1 } else { 2 };
                let style = colour.stroke_width(thick);
                let points = course.iter().copied();
                if dashed {
                    chart.draw_series(DashedLineSeries::new(points, 5, 4, style))?;
                } else {
                    chart.draw_series(LineSeries::new(points, style))?;
                }
                chart.draw_series(course.iter().map(|point| Circle::new(*point, 3, colour.filled())))?;
                let end = course.last().map(|end| chart.backend_coord(end));
                names.extend(end.map(|end| (end, colour, line.name.as_str())));
            }
            draw_names(&root, margin, &names)?;
            root.present()?;
        }
        Ok(Some(described(&svg, self.title)))
    }
}

/// What the names at the ends of lines take, pixels: the longest, and the way to it.
fn names_take(lines: &[&Line]) -> u32 {
    let wide = |letter: char| if matches!(letter, 'm' | 'w') { 12 } else { 7 };
    let longest = lines.iter().map(|line| line.name.chars().take(24).map(wide).sum()).max();
    26 + longest.unwrap_or(0)
}

/// Colours in the order of the lines, and whether they are dashed.
fn colours(lines: &[&Line]) -> Vec<(RGBColor, bool)> {
    let mut colours =
        [false, true].into_iter().cycle().flat_map(|dashed| COLOURS.map(|colour| (colour, dashed)));
    let next =
        |line: &&Line| if line.quiet { (QUIET, false) } else { colours.next().expect("they go round") };
    lines.iter().map(next).collect()
}

type Name<'a> = ((i32, i32), RGBColor, &'a str);

fn draw_names<D: DrawingBackend>(
    root: &DrawingArea<D, plotters::coord::Shift>,
    margin: u32,
    names: &[Name],
) -> anyhow::Result<()>
where
    D::ErrorType: 'static,
{
    let wanted: Vec<i32> = names.iter().map(|((_, y), ..)| *y).collect();
    let [right, bottom] = [SIZE.0 - margin, SIZE.1 - 50].map(u32::cast_signed);
    let places = labels::place(&wanted, GAP, 30, bottom);
    for ((end, colour, name), y) in names.iter().zip(places) {
        let style = font(12.0).color(&INK).pos(Pos::new(HPos::Left, VPos::Center));
        // From the line's end to where its name had room.
        let bend = (right + 2, end.1);
        root.draw(&PathElement::new([*end, bend, (right + 12, y)], colour.stroke_width(1)))?;
        root.draw(&Circle::new((right + 14, y), 3, colour.filled()))?;
        root.draw(&Text::new((*name).to_owned(), (right + 20, y), style))?;
    }
    Ok(())
}

fn font(size: f64) -> TextStyle<'static> {
    // plotters counts in something else than the pixels of SVG.
    TextStyle::from(("sans-serif", size * 1.24).into_font())
}

/// From the least to the most, and by `factor` further; of positive numbers.
fn range(numbers: impl Iterator<Item = f64>, factor: f64) -> Option<std::ops::Range<f64>> {
    let positive = numbers.filter(|number| number.is_finite() && *number > 0.0);
    let ends = positive.fold(None, |ends: Option<(f64, f64)>, number| {
        let (least, most) = ends.unwrap_or((number, number));
        Some((least.min(number), most.max(number)))
    });
    ends.map(|(least, most)| least / factor..most * factor)
}

/// 1, 2, 5, 10 … between two numbers; where that makes many, 1, 10, 100.
fn steps(from: f64, to: f64) -> Vec<f64> {
    #[expect(clippy::cast_possible_truncation, reason = "powers of ten of figures that were measured")]
    let decades = from.log10().floor() as i32..=to.log10().ceil() as i32;
    let factors: &[f64] = if to / from > 2_000.0 { &[1.0] } else { &[1.0, 2.0, 5.0] };
    let all = decades.flat_map(|decade| factors.iter().map(move |factor| factor * 10f64.powi(decade)));
    all.filter(|step| (from..=to).contains(step)).collect()
}

/// As short as an axis has it.
fn number(value: f64) -> String {
    let short = |value: f64| {
        let text = three(value);
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text }
    };
    if value >= 1e4 { short(value / 1e3) + "k" } else { short(value) }
}

/// The picture with a name, and without a size of its own.
fn described(svg: &str, title: &str) -> String {
    let (width, height) = SIZE;
    let name = maud::html! { (title) }.into_string();
    let own = format!("<svg width=\"{width}\" height=\"{height}\" ");
    svg.replacen(&own, &format!("<svg class=\"plot\" role=\"img\" aria-label=\"{name}\" "), 1)
}

#[cfg(test)]
mod tests {
    use super::{Chart, Line, Point, number, steps};

    fn line(name: &str, points: &[(f64, f64)]) -> Line {
        let points = points.iter().map(|&(x, y)| Point { x, y, spread: (y * 0.9, y * 1.1) }).collect();
        Line { name: name.into(), quiet: false, points }
    }

    fn chart(lines: Vec<Line>) -> Chart<'static> {
        Chart { title: "a <b> & \"c\"", x: "octets", y: "s", ticks: vec![100.0, 1_000.0], lines }
    }

    #[test]
    fn a_picture_is_well_formed_and_names_its_lines() {
        let lines =
            vec![line("read & <write>", &[(100.0, 3.0), (1_000.0, 0.5)]), line("mmap", &[(100.0, 2.9)])];
        let svg = chart(lines).svg().unwrap().expect("there are points");
        let document = roxmltree::Document::parse(&svg).expect("well-formed");
        let root = document.root_element();
        assert_eq!(root.attribute("aria-label"), Some("a <b> & \"c\""));
        assert!(root.attribute("width").is_none() && root.attribute("viewBox").is_some());
        let texts: Vec<_> = document.descendants().filter(|node| node.has_tag_name("text")).collect();
        for name in ["read & <write>", "mmap", "octets", "1,000"] {
            assert!(
                texts.iter().any(|text| text.text().is_some_and(|text| text.trim() == name)),
                "{name}: {svg}"
            );
        }
        let lines = document.descendants().filter(|node| node.has_tag_name("polyline"));
        assert!(lines.count() >= 2, "{svg}");
    }

    #[test]
    fn no_points_no_picture() {
        assert!(chart(vec![line("empty", &[])]).svg().unwrap().is_none());
        assert!(chart(vec![line("zero", &[(100.0, 0.0)])]).svg().unwrap().is_none());
        assert!(chart(vec![line("one", &[(100.0, 1.0)])]).svg().unwrap().is_some());
    }

    #[test]
    fn an_axis_has_round_numbers() {
        assert_eq!(steps(0.3, 6.0), [0.5, 1.0, 2.0, 5.0]);
        assert_eq!(steps(1.0, 10_000.0), [1.0, 10.0, 100.0, 1_000.0, 10_000.0]);
        for (value, expected) in [
            (0.5, "0.5"),
            (0.05, "0.05"),
            (20.0, "20"),
            (1_316.0, "1,316"),
            (65_536.0, "65.5k"),
            (1e6, "1,000k"),
        ] {
            assert_eq!(number(value), expected);
        }
    }
}
