//! Numbers as text, for the terminal, the page and the documents.

/// Formats a number with its significant digits.
pub(crate) fn number(value: f64) -> String {
    if value >= 1000.0 {
        let whole = format!("{value:.0}");
        let mut text = String::new();
        for (index, digit) in whole.chars().enumerate() {
            if index > 0 && (whole.len() - index).is_multiple_of(3) {
                text.push(',');
            }
            text.push(digit);
        }
        text
    } else if value == value.trunc() {
        format!("{value:.0}")
    } else {
        format!("{value:.1}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_their_significant_digits() {
        let texts = [0.0, 12.0, 12.34, 1234.5, 1_234_567.0].map(number);
        assert_eq!(texts, ["0", "12", "12.3", "1,234", "1,234,567"]);
    }
}
