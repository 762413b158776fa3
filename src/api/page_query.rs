//! `limit` and `cursor` of the lists that come in pages: one check, and one `nextCursor`.

use crate::api::error::{ApiError, ApiResult, FieldError};
use std::str::FromStr;

/// How many rows a page may have, and has without `limit`.
pub struct Size {
    pub usual: u16,
    pub most: u16,
}

/// The page that a caller asks for. `P`: the place in the list that a cursor names.
#[derive(Debug)]
pub struct PageQuery<P> {
    limit: u16,
    /// The last row of the page before.
    pub after: Option<P>,
}

impl<P> PageQuery<P> {
    /// Checks what a caller sent. `read` returns the place that a cursor names.
    ///
    /// # Errors
    /// `Validation` with each of the two that is wrong.
    pub fn check(
        limit: Option<u16>,
        cursor: Option<&str>,
        size: &Size,
        read: impl FnOnce(&str) -> Option<P>,
    ) -> ApiResult<Self> {
        let wrong = |field: &str, message: String| FieldError { field: field.to_owned(), message };
        let mut errors = Vec::new();
        let limit = limit.unwrap_or(size.usual);
        if !(1..=size.most).contains(&limit) {
            errors.push(wrong("limit", format!("must be 1 to {}", size.most)));
        }
        let after = cursor.and_then(read);
        if cursor.is_some() && after.is_none() {
            errors.push(wrong("cursor", "must be the nextCursor of an earlier page".to_owned()));
        }
        if errors.is_empty() { Ok(Self { limit, after }) } else { Err(ApiError::fields(errors)) }
    }

    /// How many rows to read: one more than the page has, because the list goes on if it is there.
    pub fn rows(&self) -> u32 {
        u32::from(self.limit) + 1
    }

    /// Cuts what was read to the page. Returns its `nextCursor`, which is `cursor` of its last row;
    /// `None` on the last page.
    pub fn cut<R>(&self, rows: &mut Vec<R>, cursor: impl Fn(&R) -> String) -> Option<String> {
        let more = rows.len() > usize::from(self.limit);
        rows.truncate(self.limit.into());
        rows.last().filter(|_| more).map(cursor)
    }
}

/// A number in a cursor: 1 to `length` digits, because `str::parse` alone would accept a sign.
pub fn number<N: FromStr>(text: &str, length: usize) -> Option<N> {
    let is_number = text.len() <= length && text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|_| is_number)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size { usual: 2, most: 3 };

    fn page(limit: Option<u16>, cursor: Option<&str>) -> ApiResult<PageQuery<u32>> {
        PageQuery::check(limit, cursor, &SIZE, |text| number(text, 4))
    }

    #[test]
    fn a_limit_and_a_cursor_of_another_form_are_refused() {
        for (limit, cursor, is_fine) in [
            (None, None, true),
            (Some(3), Some("1234"), true),
            (Some(0), None, false),
            (Some(4), Some("7"), false),
            (None, Some("+7"), false),
            (None, Some("12345"), false),
            (None, Some(""), false),
        ] {
            assert_eq!(page(limit, cursor).is_ok(), is_fine, "{limit:?} {cursor:?}");
        }
    }

    #[test]
    fn only_a_page_with_a_row_after_it_has_a_cursor() {
        let page = page(None, Some("7")).unwrap();
        assert_eq!((page.after, page.rows()), (Some(7), 3));
        for (read, kept, next) in [(0, 0, None), (2, 2, None), (3, 2, Some("1"))] {
            let mut rows: Vec<u32> = (0..read).collect();
            assert_eq!(page.cut(&mut rows, u32::to_string).as_deref(), next);
            assert_eq!(rows.len(), kept);
        }
    }
}
