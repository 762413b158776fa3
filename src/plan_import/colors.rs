//! Colours of other programs as `#rrggbb`.

/// Colours for grades that bring none. People who can't tell red from green can tell them apart
/// (Okabe and Ito, 2008).
pub(super) const PALETTE: [&str; 7] =
    ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8a7a00"];

/// The usual names of colours in CSS.
const NAMED: [(&str, &str); 24] = [
    ("black", "#000000"),
    ("silver", "#c0c0c0"),
    ("gray", "#808080"),
    ("grey", "#808080"),
    ("lightgray", "#d3d3d3"),
    ("lightgrey", "#d3d3d3"),
    ("darkgray", "#a9a9a9"),
    ("white", "#ffffff"),
    ("maroon", "#800000"),
    ("red", "#ff0000"),
    ("purple", "#800080"),
    ("fuchsia", "#ff00ff"),
    ("magenta", "#ff00ff"),
    ("pink", "#ffc0cb"),
    ("green", "#008000"),
    ("lime", "#00ff00"),
    ("olive", "#808000"),
    ("yellow", "#ffff00"),
    ("orange", "#ffa500"),
    ("gold", "#ffd700"),
    ("brown", "#a52a2a"),
    ("navy", "#000080"),
    ("blue", "#0000ff"),
    ("teal", "#008080"),
];

/// A colour of CSS as `#rrggbb`: `#rgb`, `#rrggbb`, `#rrggbbaa`, `rgb(…)`, or one of the usual
/// names. `None` for others, and for those that can't be seen.
pub(super) fn color(text: &str) -> Option<String> {
    let text = text.trim().to_lowercase();
    if let Some(digits) = text.strip_prefix('#') {
        if !digits.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        return match digits.len() {
            3 | 4 => Some(digits.chars().take(3).fold("#".to_owned(), |mut color, digit| {
                color.extend([digit, digit]);
                color
            })),
            6 => Some(text),
            8 if digits.ends_with("00") => None,
            8 => Some(text[..7].to_owned()),
            _ => None,
        };
    }
    if let Some(inside) = text.strip_prefix("rgb").and_then(|rest| rest.strip_suffix(')')) {
        let inside = inside.trim_start_matches(['a', '(']);
        let parts: Vec<&str> =
            inside.split([',', ' ', '/']).filter(|part| !part.is_empty()).collect();
        let [red, green, blue, ..] = parts[..] else { return None };
        let [red, green, blue] = [red, green, blue].map(|part| part.parse::<u8>().ok());
        return Some(format!("#{:02x}{:02x}{:02x}", red?, green?, blue?));
    }
    let named = NAMED.iter().find(|(name, _)| *name == text)?;
    Some(named.1.to_owned())
}
