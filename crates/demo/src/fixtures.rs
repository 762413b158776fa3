//! A season at the demo stadium. LG and Doosan share the stadium and take turns, series by series.
//! As in the KBO, nobody plays on Mondays, and a series runs from Tuesday to Thursday or from
//! Friday to Sunday.

use jiff::civil::{Date, Time, Weekday, time};
use jiff::tz::{Offset, offset};
use jiff::{Timestamp, ToSpan};

/// Matches of the season: five weeks. Fewer would not fill the page, and more would be too many to
/// read.
const SEASON_MATCHES: usize = 30;
/// Matches on sale: the earliest of the season.
const OPEN_MATCHES: u32 = 8;
/// Matches at the end of the season that only administrators see: the last series.
const DRAFT_MATCHES: u32 = 3;
/// The sale of the other matches opens this many days before the match, in the morning.
const SALE_DAYS: i64 = 7;
/// Korea has one time zone and no summer time, so this offset replaces a time zone database.
const KOREA: Offset = offset(9);

const LG: &str = "LG Twins";
const DOOSAN: &str = "Doosan Bears";
/// The visitors of each series. Where a host would play itself, the other host visits.
const VISITORS: [&str; 10] = [
    "KIA Tigers",
    "Samsung Lions",
    LG,
    "Lotte Giants",
    "Hanwha Eagles",
    DOOSAN,
    "SSG Landers",
    "KT Wiz",
    "NC Dinos",
    "Kiwoom Heroes",
];

/// A match of the demo.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fixture {
    /// Number in the season, from 1, by date.
    pub number: u32,
    /// The home team: LG Twins or Doosan Bears.
    pub home_team: &'static str,
    /// The visiting team.
    pub away_team: &'static str,
    /// Time of the first pitch.
    pub starts_at: Timestamp,
    /// Where its sale stands.
    pub sale: Sale,
}

/// Where the sale of a match stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sale {
    /// It has begun.
    Open,
    /// Everybody sees the match, and the sale opens by itself at this time.
    OpensAt(Timestamp),
    /// The match is still being prepared.
    Draft,
}

/// Returns the season that follows `today`. Its first match is tomorrow or later, so that no match
/// has begun yet.
pub fn fixtures(today: Date) -> Vec<Fixture> {
    let days = today.series(1.day()).skip(1);
    let mut series = 0;
    let mut list: Vec<Fixture> = Vec::with_capacity(SEASON_MATCHES);
    for day in days {
        if list.len() == SEASON_MATCHES {
            break;
        }
        let weekday = day.weekday();
        if weekday == Weekday::Monday {
            continue;
        }
        let opens_series = matches!(weekday, Weekday::Tuesday | Weekday::Friday);
        if opens_series && !list.is_empty() {
            series += 1;
        }
        let number = list.len() as u32 + 1;
        let Ok(starts_at) = KOREA.to_timestamp(day.to_datetime(first_pitch(weekday))) else {
            break; // The calendar ends with the year 9999.
        };
        let Ok(sale) = sale(number, day) else { break };
        let (home_team, away_team) = teams(series);
        list.push(Fixture { number, home_team, away_team, starts_at, sale });
    }
    list
}

fn sale(number: u32, day: Date) -> Result<Sale, jiff::Error> {
    if number <= OPEN_MATCHES {
        return Ok(Sale::Open);
    }
    if number > SEASON_MATCHES as u32 - DRAFT_MATCHES {
        return Ok(Sale::Draft);
    }
    let opens_at = day.checked_sub(SALE_DAYS.days())?.to_datetime(time(11, 0, 0, 0));
    Ok(Sale::OpensAt(KOREA.to_timestamp(opens_at)?))
}

fn teams(series: usize) -> (&'static str, &'static str) {
    let (home, neighbour) = if series.is_multiple_of(2) { (LG, DOOSAN) } else { (DOOSAN, LG) };
    let away = VISITORS[series % VISITORS.len()];
    (home, if away == home { neighbour } else { away })
}

fn first_pitch(weekday: Weekday) -> Time {
    match weekday {
        Weekday::Saturday => time(17, 0, 0, 0),
        Weekday::Sunday => time(14, 0, 0, 0),
        Weekday::Monday
        | Weekday::Tuesday
        | Weekday::Wednesday
        | Weekday::Thursday
        | Weekday::Friday => time(18, 30, 0, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn a_season_has_30_matches_and_sells_the_8_earliest_and_announces_the_next() {
        // The demo may start on any day of the week.
        for day in 1..=7 {
            let today = date(2026, 6, day);
            let season = fixtures(today);
            assert_eq!(season.len(), 30);
            assert!(season[..8].iter().all(|fixture| fixture.sale == Sale::Open));
            let tomorrow = KOREA.to_timestamp(today.tomorrow().unwrap().into()).unwrap();
            for fixture in &season[8..27] {
                let Sale::OpensAt(opens_at) = fixture.sale else { panic!("{fixture:?}") };
                assert!(tomorrow < opens_at && opens_at < fixture.starts_at, "{fixture:?}");
            }
            assert!(season[27..].iter().all(|fixture| fixture.sale == Sale::Draft));
            assert!(season.is_sorted_by(|a, b| a.starts_at < b.starts_at && a.number < b.number));
            let midnight = KOREA.to_timestamp(today.tomorrow().unwrap().into()).unwrap();
            assert!(season[0].starts_at > midnight);
            assert_eq!(season, fixtures(today));
        }
    }

    #[test]
    fn matches_start_when_the_league_starts_them() {
        for fixture in fixtures(date(2026, 6, 1)) {
            let local = KOREA.to_datetime(fixture.starts_at);
            let clock = (local.hour(), local.minute());
            match local.weekday() {
                Weekday::Monday => panic!("nobody plays on Mondays"),
                Weekday::Saturday => assert_eq!(clock, (17, 0)),
                Weekday::Sunday => assert_eq!(clock, (14, 0)),
                _ => assert_eq!(clock, (18, 30)),
            }
        }
    }

    #[test]
    fn both_hosts_play_at_home_and_nobody_plays_itself() {
        let season = fixtures(date(2026, 6, 1));
        for host in [LG, DOOSAN] {
            assert!(season.iter().filter(|fixture| fixture.home_team == host).count() >= 12);
        }
        assert!(season.iter().all(|fixture| fixture.home_team != fixture.away_team));
        let derbies = season.iter().filter(|fixture| [LG, DOOSAN].contains(&fixture.away_team));
        assert!(derbies.count() > 0);
    }

    #[test]
    fn the_end_of_the_calendar_is_no_error() {
        assert!(fixtures(Date::MAX).is_empty());
    }
}
