//! The seats that the people of a run want, and a map of them on which a person finds free seats.

use crate::dice::Dice;
use crate::venue::Venue;
use grandstand::domain::ids::SeatId;
use std::ops::Range;

/// A run is a part of a row whose seats are all wanted. This is the mark of a seat in no run.
const NO_RUN: u32 = u32::MAX;

/// The wanted seats.
pub(crate) struct House {
    /// The best first.
    ranking: Vec<SeatId>,
    /// Positions of neighbouring seats; the run with the best seat first.
    runs: Vec<Range<u32>>,
    /// For each position of the plan, the number of its run.
    run_of: Vec<u32>,
    /// For each position of the plan, its seat.
    seats: Vec<SeatId>,
}

/// The states of all seats of a match, as a client sees them.
#[derive(Default)]
pub(crate) struct SeatMap {
    letters: Vec<u8>,
    /// Free seats of each run.
    free: Vec<u32>,
    left: u32,
}

impl House {
    /// Returns the house of these seats, the best first.
    pub(crate) fn new(venue: &Venue, ranking: Vec<SeatId>) -> Self {
        let positions = venue.index.seat_count();
        let mut rank_of = vec![NO_RUN; positions as usize];
        for (rank, seat) in ranking.iter().enumerate() {
            if let Some(position) = venue.index.position(*seat) {
                rank_of[position as usize] = rank as u32;
            }
        }
        let mut runs: Vec<Range<u32>> = Vec::new();
        for row in venue.index.groups().map(|group| group.positions) {
            let mut from = row.start;
            for position in row.start..=row.end {
                if position == row.end || rank_of[position as usize] == NO_RUN {
                    runs.extend((from < position).then_some(from..position));
                    from = position + 1;
                }
            }
        }
        let best = |run: &Range<u32>| run.clone().map(|at| rank_of[at as usize]).min();
        runs.sort_by_key(best);
        let mut run_of = vec![NO_RUN; positions as usize];
        for (number, run) in runs.iter().enumerate() {
            run_of[run.start as usize..run.end as usize].fill(number as u32);
        }
        let seats = (0..positions).map(|position| venue.index.seat_at(position)).collect();
        Self { ranking, runs, run_of, seats }
    }

    /// Returns the number of wanted seats.
    pub(crate) fn seat_count(&self) -> usize {
        self.ranking.len()
    }

    /// Returns the seats that nobody wants.
    pub(crate) fn unwanted(&self) -> Vec<SeatId> {
        let all = self.seats.iter().zip(&self.run_of);
        all.filter(|(_, run)| **run == NO_RUN).map(|(seat, _)| *seat).collect()
    }

    /// Returns consecutive seats of the ranking. More people want the better seats.
    pub(crate) fn wish(&self, count: usize, dice: &mut Dice) -> Vec<SeatId> {
        let count = count.min(self.ranking.len());
        let first = (dice.share().powi(2) * (self.ranking.len() - count + 1) as f64) as usize;
        let first = first.min(self.ranking.len() - count);
        self.ranking[first..first + count].to_vec()
    }
}

impl SeatMap {
    /// Takes the letters of all seats, in plan order.
    pub(crate) fn reset(&mut self, house: &House, letters: &[u8]) {
        self.letters.clear();
        self.letters.extend_from_slice(letters);
        self.letters.resize(house.run_of.len(), b'B');
        let free = |run: &Range<u32>| {
            let letters = &self.letters[run.start as usize..run.end as usize];
            letters.iter().filter(|letter| **letter == b'A').count() as u32
        };
        self.free = house.runs.iter().map(free).collect();
        self.left = self.free.iter().sum();
    }

    /// Changes the state of a seat.
    pub(crate) fn change(&mut self, house: &House, position: u32, letter: u8) {
        let Some(before) = self.letters.get_mut(position as usize) else { return };
        let (was_free, is_free) = (*before == b'A', letter == b'A');
        *before = letter;
        let run = house.run_of[position as usize];
        if run == NO_RUN || was_free == is_free {
            return;
        }
        let free = &mut self.free[run as usize];
        (*free, self.left) =
            if is_free { (*free + 1, self.left + 1) } else { (*free - 1, self.left - 1) };
    }

    /// Returns the letters of all seats, in plan order; none before the first state has come.
    pub(crate) fn letters(&self) -> &[u8] {
        &self.letters
    }

    /// Returns the number of wanted seats that are free.
    pub(crate) fn left(&self) -> u32 {
        self.left
    }

    /// Returns free neighbouring seats, as many as there are up to `count`. More people choose the
    /// better rows. Returns `None` when no wanted seat is free.
    pub(crate) fn choose(
        &self,
        house: &House,
        count: usize,
        dice: &mut Dice,
    ) -> Option<Vec<SeatId>> {
        if self.left == 0 {
            return None;
        }
        let first = (dice.share().powi(2) * house.runs.len() as f64) as usize;
        (1..=count).rev().find_map(|count| {
            let numbers = (first..house.runs.len()).chain(0..first.min(house.runs.len()));
            let with_room = numbers.filter(|run| self.free[*run] as usize >= count);
            let mut chosen =
                with_room.filter_map(|run| self.choose_in(house, &house.runs[run], count, dice));
            chosen.next()
        })
    }

    /// Returns free neighbours of a run: the first from a random seat on.
    fn choose_in(
        &self,
        house: &House,
        run: &Range<u32>,
        count: usize,
        dice: &mut Dice,
    ) -> Option<Vec<SeatId>> {
        let (from, length) = (run.start as usize, run.len());
        if length < count {
            return None;
        }
        let places = length - count + 1;
        let begin = dice.below(places);
        let mut starts = (begin..places).chain(0..begin).map(|place| from + place);
        let all_free =
            |start: &usize| self.letters[*start..*start + count].iter().all(|at| *at == b'A');
        let start = starts.find(all_free)?;
        Some(house.seats[start..start + count].to_vec())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two runs of six and four seats, and an unwanted seat between them.
    fn house() -> House {
        let seats: Vec<SeatId> = (1..=11).map(SeatId).collect();
        let mut run_of = vec![0; 11];
        run_of[6] = NO_RUN;
        run_of[7..].fill(1);
        let ranking = seats.iter().copied().filter(|seat| seat.0 != 7).collect();
        House { ranking, runs: vec![0..6, 7..11], run_of, seats }
    }

    fn map(house: &House, letters: &str) -> SeatMap {
        let mut map = SeatMap::default();
        map.reset(house, letters.as_bytes());
        map
    }

    #[test]
    fn a_person_chooses_free_neighbours_of_a_run() {
        let house = house();
        let mut dice = Dice::new(3);
        for letters in ["AAHAAAAHAAA", "HHHHHHAAAAA", "AAAAAAAHHHH"] {
            let map = map(&house, letters);
            for _ in 0..100 {
                let chosen = map.choose(&house, 3, &mut dice).unwrap();
                assert_eq!(chosen.len(), 3);
                assert!(chosen.windows(2).all(|pair| pair[1].0 == pair[0].0 + 1), "{chosen:?}");
                let at = |seat: &SeatId| letters.as_bytes()[seat.0 as usize - 1];
                assert!(chosen.iter().all(|seat| at(seat) == b'A' && seat.0 != 7), "{chosen:?}");
            }
        }
    }

    #[test]
    fn a_person_takes_fewer_seats_when_there_are_no_more_neighbours_and_none_at_the_end() {
        let house = house();
        let mut dice = Dice::new(4);
        let mut map = map(&house, "AHAHAHAHAHO");
        assert_eq!(map.left(), 4);
        assert_eq!(map.choose(&house, 4, &mut dice).unwrap().len(), 1);
        for position in 0..11 {
            map.change(&house, position, b'O');
        }
        assert_eq!(map.left(), 0);
        assert_eq!(map.choose(&house, 4, &mut dice), None);
        map.change(&house, 8, b'A');
        map.change(&house, 9, b'A');
        map.change(&house, 9, b'A');
        assert_eq!(
            (map.left(), map.choose(&house, 2, &mut dice).unwrap()),
            (2, vec![SeatId(9), SeatId(10)])
        );
    }

    #[test]
    fn wishes_are_neighbours_of_the_ranking() {
        let house = house();
        let mut dice = Dice::new(5);
        for _ in 0..100 {
            let wish = house.wish(2, &mut dice);
            let at = house.ranking.iter().position(|seat| *seat == wish[0]).unwrap();
            assert_eq!(wish, house.ranking[at..at + 2]);
        }
        assert_eq!(house.wish(100, &mut dice).len(), 10);
        assert_eq!(house.unwanted(), [SeatId(7)]);
    }
}
