//! A colour for each person.

/// The colours of one person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Colours {
    /// Behind the identities of the person.
    pub pale: String,
    /// Around them, of the links, and behind the customer.
    pub strong: String,
    /// Text on `pale`.
    pub ink: String,
}

type Rgb = [u32; 3];

const BLACK: Rgb = [0; 3];
const WHITE: Rgb = [255; 3];

/// Colours that are told apart easily, on which white text can be read; the first people have them. None is near the red of
/// refused links. More than these no eye tells apart: then the number of the person does.
const STRONG: [Rgb; 12] = [
    [43, 107, 181],
    [168, 98, 31],
    [31, 133, 78],
    [125, 43, 181],
    [184, 42, 144],
    [20, 35, 127],
    [92, 35, 16],
    [125, 122, 20],
    [47, 74, 20],
    [74, 20, 86],
    [16, 96, 110],
    [109, 101, 112],
];

/// How much darker each further round of the same colours is, in percent.
const DARKER: u32 = 4;

/// The colours of the person at this place of the picture. Those of [`MAX_DRAWN`](crate::model::limits::MAX_DRAWN) people all differ.
pub fn of_person(place: usize) -> Colours {
    let round = (place / STRONG.len()) as u32;
    let strong = mixed(STRONG[place % STRONG.len()], BLACK, (round * DARKER).min(100));
    Colours { pale: hex(mixed(strong, WHITE, 89)), strong: hex(strong), ink: hex(mixed(strong, BLACK, 45)) }
}

/// A colour with so many percent of another. In whole numbers: the same on every machine.
fn mixed(colour: Rgb, other: Rgb, percent: u32) -> Rgb {
    std::array::from_fn(|at| (colour[at] * (100 - percent) + other[at] * percent + 50) / 100)
}

fn hex([red, green, blue]: Rgb) -> String {
    format!("#{red:02x}{green:02x}{blue:02x}")
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::export::picture::pen::REFUSED;
    use crate::model::limits::MAX_DRAWN;

    fn linear(strong: &str) -> [f64; 3] {
        std::array::from_fn(|at| {
            let part = u8::from_str_radix(&strong[1 + 2 * at..3 + 2 * at], 16).unwrap();
            let part = f64::from(part) / 255.0;
            if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        })
    }

    /// In the colour space OKLab, where distances are about as large as they look.
    fn lab(strong: &str) -> [f64; 3] {
        let [red, green, blue] = linear(strong);
        let l = (0.412_221 * red + 0.536_333 * green + 0.051_446 * blue).cbrt();
        let m = (0.211_903 * red + 0.680_700 * green + 0.107_397 * blue).cbrt();
        let s = (0.088_302 * red + 0.281_719 * green + 0.629_979 * blue).cbrt();
        [
            0.210_454 * l + 0.793_618 * m - 0.004_072 * s,
            1.977_998 * l - 2.428_592 * m + 0.450_594 * s,
            0.025_904 * l + 0.782_772 * m - 0.808_676 * s,
        ]
    }

    #[test]
    fn the_first_people_look_different_and_as_many_as_are_drawn_differ() {
        let all: Vec<String> = (0..MAX_DRAWN).map(|place| of_person(place).strong).collect();
        assert_eq!(all.iter().collect::<HashSet<_>>().len(), MAX_DRAWN);
        // 0.02 is a difference that is just seen side by side.
        let told_apart = [&all[..STRONG.len()], &[REFUSED.to_owned()]].concat();
        for (at, a) in told_apart.iter().enumerate() {
            for b in &told_apart[..at] {
                let apart = lab(a).iter().zip(lab(b)).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt();
                assert!(apart > 0.09, "{a} and {b}: {apart}");
            }
        }
    }

    #[test]
    fn white_text_can_be_read_on_every_colour() {
        for place in 0..MAX_DRAWN {
            let strong = of_person(place).strong;
            let [red, green, blue] = linear(&strong);
            let contrast = 1.05 / (0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05);
            assert!(contrast >= 4.5, "{strong}: {contrast}");
        }
    }
}
