//! Words in steps that stand for values.

use cucumber::Parameter;
use std::str::FromStr;

/// `3`, `3 and 4`, `3, 4 and 5`.
#[derive(Debug, Parameter)]
#[param(name = "seats", regex = r"\d+(?:(?:, | and )\d+)*")]
pub struct Seats(pub Vec<u32>);

/// `20,000 won`.
#[derive(Debug, Parameter)]
#[param(name = "won", regex = r"[\d,]+ won")]
pub struct Won(pub i64);

/// `Mina`, `Mina and Jun`, `Mina, Jun and Sora`.
#[derive(Debug, Parameter)]
#[param(name = "people", regex = r"[A-Z][a-z]+(?:(?:, | and )[A-Z][a-z]+)*")]
pub struct People(pub Vec<String>);

impl FromStr for Seats {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        parts(text).map(str::parse).collect::<Result<_, _>>().map(Self)
    }
}

impl FromStr for Won {
    type Err = std::num::ParseIntError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.trim_end_matches(" won").replace(',', "").parse().map(Self)
    }
}

impl FromStr for People {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Ok(Self(parts(text).map(str::to_owned).collect()))
    }
}

fn parts(text: &str) -> impl Iterator<Item = &str> {
    text.split(", ").flat_map(|part| part.split(" and "))
}
