//! The rules of what the map shows beside seats.

use super::check::{Check, METRES_MAX};
use super::{Image, Point, Shape, SitePlan};

const SHAPES_MAX: usize = 1_000;
const TEXTS_MAX: usize = 1_000;
const IMAGES_MAX: usize = 8;
const FLOORS_MAX: usize = 20;
const MORE_OUTLINES_MAX: usize = 20;
const IMAGE_CHARACTERS_MAX: usize = 262_144;
/// The kinds of shapes that the map knows how to paint.
const SHAPE_KINDS: [&str; 8] =
    ["grass", "dirt", "line", "stage", "wall", "pillar", "table", "area"];
const IMAGE_KINDS: [&str; 3] =
    ["data:image/png;base64,", "data:image/jpeg;base64,", "data:image/webp;base64,"];

impl<'a> Check<'a> {
    pub(super) fn drawing(&mut self, plan: &'a SitePlan) {
        self.most("/floors", plan.floors.len(), FLOORS_MAX, "floors");
        for (at, floor) in plan.floors.iter().enumerate() {
            let pointer = format!("/floors/{at}");
            self.id(&pointer, "Floor id", floor.id);
            self.text(&format!("{pointer}/name"), "A floor's name", &floor.name, 100);
        }
        self.floors = plan.floors.iter().map(|floor| floor.id).collect();
        self.most("/shapes", plan.shapes.len(), SHAPES_MAX, "shapes");
        for (at, shape) in plan.shapes.iter().enumerate() {
            self.shape(&format!("/shapes/{at}"), shape);
        }
        self.most("/texts", plan.texts.len(), TEXTS_MAX, "texts");
        for (at, text) in plan.texts.iter().enumerate() {
            let pointer = format!("/texts/{at}");
            self.text(&format!("{pointer}/text"), "A text of the map", &text.text, 100);
            self.point(&format!("{pointer}/at"), text.at);
            if !(0.1..=100.0).contains(&text.size) {
                self.fault(
                    &format!("{pointer}/size"),
                    "The letters of a text are 0.1 to 100 metres high.",
                );
            }
            if !(-360.0..=360.0).contains(&text.angle) {
                self.fault(&format!("{pointer}/angle"), "An angle is -360 to 360 degrees.");
            }
            self.color(&pointer, text.color.as_deref());
            self.floor_exists(&pointer, text.floor);
        }
        self.most("/images", plan.images.len(), IMAGES_MAX, "images");
        for (at, image) in plan.images.iter().enumerate() {
            self.image(&format!("/images/{at}"), image);
        }
    }

    fn shape(&mut self, pointer: &str, shape: &Shape) {
        if !SHAPE_KINDS.contains(&shape.kind.as_str()) {
            let message = format!("The kind of a shape is one of {}.", SHAPE_KINDS.join(", "));
            self.fault(&format!("{pointer}/kind"), message);
        }
        match (&shape.circle, shape.outline.is_empty()) {
            (Some(circle), true) => {
                self.point(&format!("{pointer}/circle/center"), circle.center);
                self.length(&format!("{pointer}/circle/radius"), circle.radius);
            }
            (Some(_), false) => {
                self.fault(
                    &format!("{pointer}/circle"),
                    "A shape has an outline or a circle, not both.",
                );
            }
            (None, _) => self.outline(&format!("{pointer}/outline"), &shape.outline),
        }
        self.color(pointer, shape.color.as_deref());
        self.floor_exists(pointer, shape.floor);
    }

    fn image(&mut self, pointer: &str, image: &Image) {
        let data = IMAGE_KINDS.iter().find_map(|kind| image.href.strip_prefix(kind));
        let is_base64 =
            |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=');
        if image.href.len() > IMAGE_CHARACTERS_MAX
            || !data.is_some_and(|data| !data.is_empty() && data.bytes().all(is_base64))
        {
            let message = format!(
                "An image is data:image/png;base64,… (or jpeg, webp) of at most \
                 {IMAGE_CHARACTERS_MAX} characters; the page loads nothing from other servers."
            );
            self.fault(&format!("{pointer}/href"), message);
        }
        self.point(&format!("{pointer}/at"), image.at);
        self.length(&format!("{pointer}/width"), image.width);
        self.length(&format!("{pointer}/height"), image.height);
        self.floor_exists(pointer, image.floor);
    }

    pub(super) fn outlines(&mut self, pointer: &str, outlines: &[Vec<Point>]) {
        self.most(pointer, outlines.len(), MORE_OUTLINES_MAX, "more outlines in a block");
        for (at, outline) in outlines.iter().enumerate() {
            self.outline(&format!("{pointer}/{at}"), outline);
        }
    }

    pub(super) fn outline(&mut self, pointer: &str, outline: &[Point]) {
        if !(3..=200).contains(&outline.len()) {
            let message = format!("An outline has 3 to 200 points, not {}.", outline.len());
            self.fault(pointer, message);
        }
        for (at, point) in outline.iter().enumerate() {
            self.point(&format!("{pointer}/{at}"), *point);
        }
    }

    pub(super) fn color(&mut self, pointer: &str, color: Option<&str>) {
        let Some(color) = color else { return };
        let digits = color.strip_prefix('#').unwrap_or_default();
        if digits.len() != 6 || !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            let message = "A colour is # and six hexadecimal digits, such as #1f77b4.";
            self.fault(&format!("{pointer}/color"), message);
        }
    }

    pub(super) fn floor_exists(&mut self, pointer: &str, floor: Option<u32>) {
        if let Some(floor) = floor.filter(|floor| !self.floors.contains(floor)) {
            let message = format!("There is no floor {floor}; add it to the floors of the plan.");
            self.fault(&format!("{pointer}/floor"), message);
        }
    }

    fn length(&mut self, pointer: &str, metres: f32) {
        if !(metres > 0.0 && metres <= METRES_MAX) {
            self.fault(
                pointer,
                format!("A length is more than 0 and at most {METRES_MAX} metres."),
            );
        }
    }

    fn most(&mut self, pointer: &str, count: usize, most: usize, what: &str) {
        if count > most {
            self.fault(pointer, format!("At most {most} {what} are possible, not {count}."));
        }
    }
}
