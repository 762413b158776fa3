//! A seat that was confirmed is soon sold on each map (invariant 19).

use super::Violation;
use super::confirmed::Cancels;
use crate::evidence::{Evidence, FRAME_TIMEOUT};
use crate::history::Act;
use crate::watcher::View;
use std::time::Duration;

pub(super) fn check(evidence: &Evidence) -> Vec<Violation> {
    let (mut found, cancels) = (Vec::new(), Cancels::of(evidence));
    for call in evidence.calls.iter().filter(|call| call.act == Act::Confirm) {
        let sale = call.done().and_then(|data| data["reservation"]["id"].as_str());
        let until = call.ended + FRAME_TIMEOUT;
        let blind = Evidence::happened(&evidence.blinds, &call.fixture, call.ended, until)
            || Evidence::happened(&evidence.forgets, &call.fixture, call.ended, until);
        if blind || sale.is_none_or(|id| cancels.possible(id)) {
            continue;
        }
        for view in evidence.views.iter().filter(|view| view.fixture == call.fixture) {
            let free = |seat: &u32| state_at(view, *seat, until) == Some("AVAILABLE");
            let free: Vec<u32> = call.seats().into_iter().filter(free).collect();
            if !free.is_empty() {
                let what = format!(
                    "a watcher of node {} sees seats {free:?} as free {FRAME_TIMEOUT:?} after: {}",
                    view.node,
                    call.line()
                );
                found.push(Violation::new(19, what).about(&call.fixture, &free));
            }
        }
    }
    found
}

/// What a watcher sees of a seat at this time.
fn state_at(view: &View, seat: u32, at: Duration) -> Option<&str> {
    let mut shown = view.shown.iter().rev();
    let last = shown.find(|shown| shown.seat == seat && shown.at <= at);
    last.map(|shown| &*shown.state)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::samples::{call, fair, window};
    use crate::watcher::Shown;

    /// A watcher sees these states of seat 1, which is confirmed at 210 ms.
    fn seen(states: &[(u64, &str)]) -> Evidence {
        let shown = |(ms, state): &(u64, &str)| Shown {
            at: Duration::from_millis(*ms),
            seat: 1,
            state: (*state).to_owned(),
            position: (1, 1, 1),
        };
        let mut evidence = fair();
        evidence.views[0].shown = states.iter().map(shown).collect();
        evidence
    }

    #[test]
    fn a_confirmed_seat_that_stays_free_on_a_map_is_found() {
        let found = |evidence: &Evidence| check(evidence).len();
        assert_eq!(found(&seen(&[(0, "AVAILABLE"), (3_200, "OCCUPIED")])), 0);
        assert_eq!(found(&seen(&[(0, "AVAILABLE"), (100, "HOLD")])), 0, "others may be late");
        assert_eq!(found(&seen(&[(5_000, "AVAILABLE")])), 0, "it saw nothing before");
        let late = || seen(&[(0, "AVAILABLE"), (3_300, "OCCUPIED")]);
        assert_eq!(check(&late())[0].invariant, 19);
        assert_eq!(found(&seen(&[(0, "AVAILABLE")])), 1);
        assert_eq!(found(&Evidence { blinds: vec![window(3_000, 3_100)], ..late() }), 0);
        let mut cancelled = late();
        cancelled.calls.push(call(Act::Cancel, 0, "r1"));
        assert_eq!(found(&cancelled), 0);
    }
}
