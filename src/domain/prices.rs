//! The price list of a match: what a seat of each grade costs for each kind of buyer. A match
//! without a list sells at the prices of its plan.

use crate::domain::bill::BillLine;
use crate::domain::ids::SeatId;
use crate::domain::money::CHARGE_MIN;
use crate::domain::plan::{Grade, PlanFault};
use crate::domain::text::is_invisible;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, HashSet};
use utoipa::ToSchema;

/// The most ticket types of a list. Every node keeps the lists of all matches.
const TYPES_MAX: usize = 20;
/// The largest price and the largest service fee, in KRW.
const PRICE_MAX: i64 = 10_000_000;
/// The largest limit: as many seats as a call may name.
const LIMIT_MAX: u32 = 100;
const NAME_LETTERS_MAX: usize = 100;
/// The most languages of a name.
const LANGUAGES_MAX: usize = 10;

/// The name of a ticket type: a text, or a text for each language.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum TypeName {
    Text(String),
    /// By the code of the language, 1 to 10 of them: `{"ko": "어른", "en": "Adult"}`.
    ByLanguage(BTreeMap<String, String>),
}

/// A kind of buyer: adult, youth, child.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TicketType {
    /// 1 to 20 of `A-Z0-9_`, of which the first is a letter; unique within the list.
    #[schema(pattern = "^[A-Z][A-Z0-9_]{0,19}$")]
    pub code: String,
    /// 1 to 100 characters in each language.
    pub name: TypeName,
    /// The most seats of this type in a hold; without it there is no such limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 100, nullable = false)]
    pub limit: Option<u32>,
}

/// What a seat of a grade costs for a ticket type.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TypePrice {
    /// The code of a grade of the plan.
    pub grade: String,
    /// The code of a ticket type of the list.
    #[serde(rename = "type")]
    pub ticket_type: String,
    /// In KRW: 0, or 100 to 10,000,000.
    #[schema(minimum = 0, maximum = 10_000_000)]
    pub price: i64,
}

/// The price list of a match.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct PriceList {
    /// Rises by one with each change of the list.
    pub version: u32,
    /// The first type is that of seats which name none.
    pub types: Vec<TicketType>,
    /// A type without a price for a grade is not sold there.
    pub prices: Vec<TypePrice>,
    /// What each place costs besides its price, in KRW.
    #[serde(default)]
    pub service_fee: i64,
}

/// Why a seat has no price.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoPrice {
    /// The list has no such type.
    Unknown(String),
    /// The type is not sold in this grade.
    NotInGrade { ticket_type: String, grade: String },
}

impl PriceList {
    /// The type with this code; the first one without a code.
    pub fn type_of(&self, code: Option<&str>) -> Option<&TicketType> {
        self.types.iter().find(|known| code.is_none_or(|code| known.code == code))
    }

    /// The price of a seat of this grade, in KRW; `None` where the type is not sold.
    pub fn price(&self, grade: &str, ticket_type: &str) -> Option<i64> {
        let is_it = |price: &&TypePrice| price.grade == grade && price.ticket_type == ticket_type;
        self.prices.iter().find(is_it).map(|price| price.price)
    }

    /// What a seat of this grade costs now.
    pub fn line(&self, seat: SeatId, grade: &str, code: Option<&str>) -> Result<BillLine, NoPrice> {
        let unknown = || NoPrice::Unknown(code.unwrap_or_default().to_owned());
        let ticket_type = self.type_of(code).ok_or_else(unknown)?.code.clone();
        let Some(price) = self.price(grade, &ticket_type) else {
            return Err(NoPrice::NotInGrade { ticket_type, grade: grade.to_owned() });
        };
        let (cost, service_fee) = (price + self.service_fee, self.service_fee);
        Ok(BillLine { seat, cost, ticket_type, service_fee })
    }

    /// The first type that stands among these codes more often than its limit allows.
    pub fn over_limit(&self, codes: &[&str]) -> Option<&TicketType> {
        self.types.iter().find(|known| {
            let seats = codes.iter().filter(|code| **code == known.code).count();
            known.limit.is_some_and(|limit| seats > limit as usize)
        })
    }

    /// Every fault of the list at a site with these grades, with JSON pointers.
    pub fn faults(&self, grades: &[Grade]) -> Vec<PlanFault> {
        let mut faults = Faults(vec![]);
        if !(1..=TYPES_MAX).contains(&self.types.len()) {
            faults.add("/types", format!("A list has 1 to {TYPES_MAX} types."));
        }
        let mut codes = HashSet::new();
        for (at, ticket_type) in self.types.iter().enumerate() {
            faults.of_type(&format!("/types/{at}"), ticket_type);
            if !codes.insert(ticket_type.code.as_str()) {
                faults.add(&format!("/types/{at}/code"), "The list has this code twice.");
            }
        }
        let known: HashSet<&str> = grades.iter().map(|grade| grade.code.as_str()).collect();
        let mut seen = HashSet::new();
        for (at, price) in self.prices.iter().enumerate() {
            let pointer = format!("/prices/{at}");
            if !known.contains(price.grade.as_str()) {
                faults.add(&format!("{pointer}/grade"), "The plan has no such grade.");
            }
            if !codes.contains(price.ticket_type.as_str()) {
                faults.add(&format!("{pointer}/type"), "The list has no such type.");
            }
            faults.amount(&format!("{pointer}/price"), price.price);
            if !seen.insert((price.grade.as_str(), price.ticket_type.as_str())) {
                faults.add(&pointer, "The list has this grade and type twice.");
            }
        }
        let is_priced = |grade: &&Grade| !self.prices.iter().any(|row| row.grade == grade.code);
        for grade in grades.iter().filter(is_priced) {
            faults.add("/prices", format!("The grade {} has no price.", grade.code));
        }
        faults.amount("/serviceFee", self.service_fee);
        faults.0
    }
}

struct Faults(Vec<PlanFault>);

impl Faults {
    fn add(&mut self, pointer: &str, message: impl Into<String>) {
        self.0.push(PlanFault { pointer: pointer.to_owned(), message: message.into() });
    }

    fn amount(&mut self, pointer: &str, amount: i64) {
        if amount != 0 && !(CHARGE_MIN..=PRICE_MAX).contains(&amount) {
            self.add(pointer, format!("It is 0, or {CHARGE_MIN} to {PRICE_MAX} KRW."));
        }
    }

    fn of_type(&mut self, pointer: &str, ticket_type: &TicketType) {
        let TicketType { code, name, limit } = ticket_type;
        let letter = |byte: u8| matches!(byte, b'A'..=b'Z' | b'0'..=b'9' | b'_');
        let begins = code.starts_with(|first: char| first.is_ascii_uppercase());
        if !begins || code.len() > 20 || !code.bytes().all(letter) {
            let message = "A type's code is 1 to 20 of A-Z, 0-9 and _, and begins with a letter.";
            self.add(&format!("{pointer}/code"), message);
        }
        let pointer_of_name = format!("{pointer}/name");
        match name {
            TypeName::Text(text) => self.text(&pointer_of_name, text),
            TypeName::ByLanguage(texts) => {
                if !(1..=LANGUAGES_MAX).contains(&texts.len()) {
                    let message = format!("A name has 1 to {LANGUAGES_MAX} languages.");
                    self.add(&pointer_of_name, message);
                }
                for (language, text) in texts {
                    let pointer = format!("{pointer_of_name}/{language}");
                    let is_code = |byte: u8| byte.is_ascii_lowercase();
                    if language.len() != 2 || !language.bytes().all(is_code) {
                        self.add(&pointer, "A language is two small letters: ko, en.");
                    }
                    self.text(&pointer, text);
                }
            }
        }
        if limit.is_some_and(|limit| !(1..=LIMIT_MAX).contains(&limit)) {
            self.add(&format!("{pointer}/limit"), format!("A limit is 1 to {LIMIT_MAX}."));
        }
    }

    fn text(&mut self, pointer: &str, text: &str) {
        let is_hidden = |letter: char| letter.is_control() || is_invisible(letter);
        let hidden = text.trim().is_empty() || text.chars().any(is_hidden);
        if hidden || text.chars().count() > NAME_LETTERS_MAX {
            let message = "A name has 1 to 100 characters, all of which can be seen.";
            self.add(pointer, message);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn list(value: Value) -> PriceList {
        serde_json::from_value(value).unwrap()
    }

    fn grades(codes: &[&str]) -> Vec<Grade> {
        let grade = |code: &&str| Grade {
            code: (*code).to_owned(),
            name: (*code).to_owned(),
            price: 1_000,
            color: "#112233".to_owned(),
        };
        codes.iter().map(grade).collect()
    }

    #[test]
    fn every_fault_of_a_list_is_named() {
        let wrong = list(json!({
            "version": 1,
            "types": [
                {"code": "ADULT", "name": {"ko": "어른", "EN": "Adult"}},
                {"code": "ADULT", "name": " ", "limit": 0},
                {"code": "a|b", "name": {}},
            ],
            "prices": [
                {"grade": "FRONT", "type": "ADULT", "price": 99},
                {"grade": "FRONT", "type": "ADULT", "price": 0},
                {"grade": "ROOF", "type": "CHILD", "price": 10_000_001},
            ],
            "serviceFee": -1,
        }));
        let faults = wrong.faults(&grades(&["FRONT", "BACK"]));
        let pointers: Vec<&str> = faults.iter().map(|fault| fault.pointer.as_str()).collect();
        let expected = [
            "/types/0/name/EN",
            "/types/1/name",
            "/types/1/limit",
            "/types/1/code",
            "/types/2/code",
            "/types/2/name",
            "/prices/0/price",
            "/prices/1",
            "/prices/2/grade",
            "/prices/2/type",
            "/prices/2/price",
            "/prices",
            "/serviceFee",
        ];
        assert_eq!(pointers, expected);
    }

    #[test]
    fn a_seat_costs_its_price_and_the_service_fee() {
        let list = list(json!({
            "version": 1,
            "types": [{"code": "ADULT", "name": "Adult"}, {"code": "CHILD", "name": "Child"}],
            "prices": [
                {"grade": "FRONT", "type": "ADULT", "price": 30_000},
                {"grade": "FRONT", "type": "CHILD", "price": 0},
                {"grade": "BACK", "type": "ADULT", "price": 10_000},
            ],
            "serviceFee": 500,
        }));
        assert_eq!(list.faults(&grades(&["FRONT", "BACK"])), []);
        let cost = |grade, code| list.line(SeatId(7), grade, code).map(|line| line.cost);
        assert_eq!(cost("FRONT", None), Ok(30_500));
        assert_eq!(cost("FRONT", Some("CHILD")), Ok(500));
        let unsold = NoPrice::NotInGrade { ticket_type: "CHILD".into(), grade: "BACK".into() };
        assert_eq!(cost("BACK", Some("CHILD")), Err(unsold));
        assert_eq!(cost("BACK", Some("DOG")), Err(NoPrice::Unknown("DOG".into())));
    }
}
