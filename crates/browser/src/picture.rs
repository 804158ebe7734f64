use std::collections::HashMap;
use std::io::Cursor;

/// A picture of a page.
#[derive(Debug, Clone)]
pub struct Picture {
    /// The PNG file.
    pub png: Vec<u8>,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    colours: HashMap<[u8; 3], u64>,
}

impl Picture {
    /// The picture in a PNG file.
    ///
    /// # Errors
    /// When it is none.
    pub fn read(png: Vec<u8>) -> Result<Self, png::DecodingError> {
        let mut decoder = png::Decoder::new(Cursor::new(&png));
        decoder.set_transformations(png::Transformations::normalize_to_color8());
        let mut reader = decoder.read_info()?;
        let mut pixels = vec![0; reader.output_buffer_size().unwrap_or_default()];
        let info = reader.next_frame(&mut pixels)?;
        let mut colours = HashMap::new();
        for pixel in pixels.chunks_exact(info.color_type.samples()) {
            let colour = match *pixel {
                [red, green, blue, ..] => [red, green, blue],
                [grey, ..] => [grey; 3],
                [] => continue,
            };
            *colours.entry(colour).or_default() += 1;
        }
        Ok(Self {
            width: info.width,
            height: info.height,
            png,
            colours,
        })
    }

    /// The colour that most of it has.
    pub fn ground(&self) -> [u8; 3] {
        self.colours
            .iter()
            .max_by_key(|(_, pixels)| **pixels)
            .map_or([0; 3], |(colour, _)| *colour)
    }

    /// Which part of it has another colour than the ground, 0 to 1; of a blank picture, nothing.
    pub fn drawn(&self) -> f64 {
        let all: u64 = self.colours.values().sum();
        let ground = self.colours.values().max().copied().unwrap_or_default();
        if all == 0 {
            return 0.0;
        }
        (all - ground) as f64 / all as f64
    }

    /// How many pixels have a colour.
    pub fn count(&self, colour: [u8; 3]) -> u64 {
        self.colours.get(&colour).copied().unwrap_or_default()
    }
}
