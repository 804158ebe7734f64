//! A diff as an SVG image, for places that show images beside Markdown.

use rust_decimal::Decimal;
use rust_decimal::prelude::ToPrimitive as _;

use super::Diff;
use crate::money::Usd;

const WIDTH: u32 = 760;
/// Where bars begin, and how long the longest is.
const LEFT: u32 = 190;
const LONGEST: u32 = 440;
const BAR: u32 = 12;
const ROW: u32 = 38;
const TOP: u32 = 56;

/// Colours for light and dark pages; the words beside the bars say what they are without any.
const STYLE: &str = "text{font:13px system-ui,sans-serif;fill:#1f2328}.t{font-weight:600}.b{fill:#8c959f}\
    .a{fill:#0969da}.u{fill:none;stroke:#9a6700;stroke-dasharray:4 3}.p{fill:#fff}\
    @media(prefers-color-scheme:dark){text{fill:#e6edf3}.b{fill:#6e7681}.a{fill:#4493f8}.u{stroke:#d29922}\
    .p{fill:#0d1117}}@media print{text{fill:#000}.p{fill:#fff}}";

impl Diff {
    /// Bars of every service before and after, as an SVG image that needs nothing else. What has no price is a
    /// dashed frame, not a short bar.
    pub fn to_svg(&self) -> String {
        let (from, to) = self.sides();
        let sides = || self.services.iter().flat_map(|of| [of.before, of.after]);
        let most = sides().flatten().max().unwrap_or_default();
        let rows = u32::try_from(self.services.len()).unwrap_or(u32::MAX);
        let height = TOP + rows.saturating_mul(ROW) + 12;
        let bound = if self.uncertain { "≥ " } else { "" };
        let title = format!(
            "A month: {bound}{} {from}, {bound}{} {to}",
            self.before.expected, self.after.expected
        );
        let mut out = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {height}\" role=\"img\" \
             aria-label=\"{title}\">\n<title>{title}</title>\n<style>{STYLE}</style>\n\
             <rect class=\"p\" width=\"{WIDTH}\" height=\"{height}\"/>\n\
             <text class=\"t\" x=\"12\" y=\"22\">{title}</text>\n\
             <rect class=\"b\" x=\"12\" y=\"34\" width=\"12\" height=\"12\"/>\
             <text x=\"30\" y=\"45\">{from}</text>\
             <rect class=\"a\" x=\"{LEFT}\" y=\"34\" width=\"12\" height=\"12\"/>\
             <text x=\"{}\" y=\"45\">{to}</text>\n",
            LEFT + 18
        );
        for (row, of) in (0_u32..).zip(&self.services) {
            let y = TOP + row * ROW;
            out.push_str(&format!(
                "<text x=\"12\" y=\"{}\">{}</text>",
                y + 20,
                of.heading.title()
            ));
            out.push_str(&bar("b", y + 3, of.before, most));
            out.push_str(&bar("a", y + 4 + BAR, of.after, most));
            out.push('\n');
        }
        out.push_str("</svg>\n");
        out
    }
}

fn bar(class: &str, y: u32, usd: Option<Usd>, most: Usd) -> String {
    let (class, width, label) = match usd {
        None => ("u", LONGEST / 4, "no price".to_owned()),
        Some(usd) => (class, length(usd, most), usd.to_string()),
    };
    format!(
        "<rect class=\"{class}\" x=\"{LEFT}\" y=\"{y}\" width=\"{width}\" height=\"{BAR}\"/>\
         <text x=\"{}\" y=\"{}\">{label}</text>",
        LEFT + width + 6,
        y + BAR - 1
    )
}

/// Whole points; something is never nothing.
fn length(usd: Usd, most: Usd) -> u32 {
    if usd <= Usd::ZERO || most <= Usd::ZERO {
        return 0;
    }
    let share = usd.dollars() / most.dollars() * Decimal::from(LONGEST);
    share.ceil().to_u32().unwrap_or(LONGEST)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use settings::Settings;

    use super::*;
    use crate::estimate::{Estimate, Options};
    use crate::inventory::Inventory;
    use crate::prices::PriceBook;
    use crate::usage::Usage;

    fn diff(to: &str) -> Diff {
        let today = date(2026, 11, 22);
        let settings = include_str!("../../../../examples/berthcare-staging/infra.toml");
        let stack = Inventory::from_settings(&Settings::parse(settings, today).unwrap());
        let from = stack.region.unwrap();
        let book = PriceBook::builtin().unwrap();
        let of =
            |stack: &Inventory| Estimate::new(stack, &Usage::default(), &book, Options::on(today));
        let to = to.parse().unwrap();
        Diff::of_regions(&of(&stack), &of(&stack.moved(from, to)), from, to)
    }

    #[test]
    fn to_svg_gives_the_dearest_the_longest_bar_with_its_number() {
        let svg = diff("us-east-1").to_svg();
        assert!(
            svg.contains(&format!(
                "width=\"{LONGEST}\" height=\"{BAR}\"/><text x=\"{}\"",
                LEFT + LONGEST + 6
            )),
            "{svg}"
        );
        assert!(
            svg.contains(">$128.33</text>") && svg.contains(">$78.00</text>"),
            "{svg}"
        );
        assert!(svg.contains("prefers-color-scheme:dark"));
        assert_eq!(svg.matches("<rect").count(), svg.matches("/>").count());
    }

    #[test]
    fn to_svg_without_a_price_is_no_short_bar() {
        let svg = diff("ca-west-1").to_svg();
        assert!(
            svg.contains("class=\"u\"") && svg.contains(">no price</text>"),
            "{svg}"
        );
        assert!(svg.contains("A month: ≥ "), "{svg}");
        assert_eq!(length(Usd::ZERO, Usd::new(Decimal::ONE)), 0);
        assert_eq!(
            length(Usd::new(Decimal::new(1, 6)), Usd::new(Decimal::ONE)),
            1
        );
    }
}
