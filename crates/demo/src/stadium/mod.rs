//! A baseball stadium modelled on Jamsil Baseball Stadium in Seoul. Its proportions, its areas and
//! its range of prices follow the real stadium. Its blocks, rows and seats are invented.

mod block;
mod field;
mod ring;
mod stands;

use crate::stadium::block::Piece;
use crate::stadium::stands::{Stands, Tier};
use serde_json::{Value, json};

/// Code, name, price in KRW and colour of each grade. People with any kind of colour blindness can
/// tell the colours apart, and the colours stand out on a light and on a dark page (tests check
/// both).
const GRADES: [(&str, &str, i64, &str); 8] = [
    ("PREMIUM", "프리미엄석 (Premium)", 90_000, "#a654b1"),
    ("TABLE", "테이블석 (Table)", 55_000, "#bc8d00"),
    ("EXCITING", "익사이팅존 (Exciting Zone)", 30_000, "#f44c74"),
    ("BLUE", "블루석 (Blue)", 24_000, "#3b99e1"),
    ("ORANGE", "오렌지석 (Orange, cheering)", 22_000, "#be6104"),
    ("RED", "레드석 (Red)", 19_000, "#ba2d2e"),
    ("NAVY", "네이비석 (Navy)", 15_000, "#3a56e0"),
    ("GREEN", "외야 그린석 (Green)", 10_000, "#219465"),
];

/// Returns the plan of the demo stadium: about 25,000 seats in about 100 blocks.
pub fn stadium() -> Value {
    let stands = Stands::new();
    let (home, away) = sides(stands.infield());
    let (right, left) = sides(stands.outfield());
    let infield = [section(1, "1루 홈 (Home)", &home), section(2, "3루 원정 (Away)", &away)];
    let outfield = [section(3, "우측 (Right)", &right), section(4, "좌측 (Left)", &left)];
    json!({
        "name": "잠실야구장 (Jamsil Baseball Stadium)",
        "focus": [0.0, 0.0],
        "shapes": field::shapes(&stands),
        "grades": GRADES.map(grade),
        "areas": [area(1, "내야 (Infield)", &infield), area(2, "외야 (Outfield)", &outfield)],
    })
}

/// Returns the blocks of the right half and of the left half. The numbers of a tier grow clockwise:
/// from the outermost block on the right, past home plate, to the left.
fn sides(tiers: Vec<Tier>) -> (Vec<Value>, Vec<Value>) {
    let (mut right, mut left) = (Vec::new(), Vec::new());
    for tier in tiers {
        let middle = tier.first_number + tier.right.len() as u32;
        right.extend((tier.first_number..).zip(tier.right.iter().rev()).map(numbered));
        let mirrored: Vec<Piece> = tier.right.into_iter().map(Piece::mirrored).collect();
        left.extend((middle..).zip(&mirrored).map(numbered));
    }
    (right, left)
}

fn numbered((number, piece): (u32, &Piece)) -> Value {
    piece.block(number)
}

fn grade((code, name, price, color): (&str, &str, i64, &str)) -> Value {
    json!({"code": code, "name": name, "price": price, "color": color})
}

fn area(id: u32, name: &str, sections: &[Value]) -> Value {
    json!({"id": id, "name": name, "sections": sections})
}

fn section(id: u32, name: &str, blocks: &[Value]) -> Value {
    json!({"id": id, "name": name, "blocks": blocks})
}
