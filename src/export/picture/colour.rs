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

/// Hues that are told apart easily; the first people have them. None is near the red of refused links.
const HUES: [u32; 8] = [212, 28, 148, 275, 190, 52, 315, 100];

/// What each further hue is turned by, about the golden angle: it comes back to where it was after all others.
const TURN: u32 = 137;

/// Further hues begin here, and are so many: the rest of the wheel is near that red.
const FROM: u32 = 15;
const FURTHER: u32 = 305;

/// The colours of the person at this place of the picture.
pub fn of_person(place: usize) -> Colours {
    let (hue, saturation) = match HUES.get(place) {
        Some(&hue) => (hue, 62),
        // Duller, so that none is one of the first.
        None => (FROM + (place as u32).wrapping_mul(TURN) % FURTHER, 48),
    };
    // Yellow and green look lighter than blue of the same lightness.
    let strong = if (40..200).contains(&hue) { 32 } else { 44 };
    Colours { pale: hex(hue, 70, 94), strong: hex(hue, saturation, strong), ink: hex(hue, 55, 20) }
}

/// Hue in degrees, saturation and lightness in percent, as `#rrggbb`. In whole numbers: the same on every machine.
fn hex(hue: u32, saturation: u32, lightness: u32) -> String {
    let light = 2 * lightness as i32 - 100;
    // All in 1/10,000.
    let chroma = (100 - light.abs()) * saturation as i32;
    let part = (hue % 120) as i32 - 60;
    let second = chroma * (60 - part.abs()) / 60;
    let (red, green, blue) = match hue / 60 % 6 {
        0 => (chroma, second, 0),
        1 => (second, chroma, 0),
        2 => (0, chroma, second),
        3 => (0, second, chroma),
        4 => (second, 0, chroma),
        _ => (chroma, 0, second),
    };
    let base = 100 * lightness as i32 - chroma / 2;
    let byte = |part: i32| ((part + base) * 255 + 5_000) / 10_000;
    format!("#{:02x}{:02x}{:02x}", byte(red), byte(green), byte(blue))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_those_of_the_wheel() {
        assert_eq!(hex(0, 100, 50), "#ff0000");
        assert_eq!(hex(120, 100, 50), "#00ff00");
        assert_eq!(hex(240, 100, 25), "#000080");
        assert_eq!(hex(60, 100, 50), "#ffff00");
        assert_eq!([hex(77, 0, 100), hex(77, 100, 0)], ["#ffffff", "#000000"]);
    }

    #[test]
    fn the_people_of_one_picture_have_colours_of_their_own() {
        let mut all: Vec<String> = (0..40).map(|place| of_person(place).strong).collect();
        all.sort();
        all.dedup();
        assert_eq!(all.len(), 40);
    }
}
