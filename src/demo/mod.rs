//! The demo: a baseball stadium of about 25,000 seats and a season of matches.
