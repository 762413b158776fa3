//! The load-test harness.
