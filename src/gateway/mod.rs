//! Toss Payments: a client of its API, and an emulator that speaks the same API for development and tests.
