//! Tests of the whole system on real servers, one binary.

#![allow(clippy::unwrap_used, reason = "a test that can not go on fails")]

#[path = "../support/mod.rs"]
#[allow(dead_code, unreachable_pub, reason = "shared with the cucumber binary")]
mod support;

mod addresses;
mod admin_command;
mod api_catalog;
mod api_connection;
mod api_description;
mod api_document;
mod api_health;
mod api_input;
mod api_keys;
mod api_messages;
mod api_pages;
mod api_promises;
mod api_shared;
mod api_text;
mod api_users;
#[cfg(target_os = "linux")]
mod balancer;
mod buyer_reservations;
mod challenge;
mod changes;
mod chaos;
mod check_ins;
mod clock;
mod clock_shared;
mod cluster;
mod commands_wait;
mod config_command;
mod containers;
mod cors;
mod dead_letters;
#[cfg(target_os = "linux")]
mod disk_full;
mod drafts;
mod engine_again;
mod engine_batches;
mod engine_blocks;
mod engine_bounds;
mod engine_calls;
mod engine_catalog;
mod engine_conduct;
mod engine_deadlines;
mod engine_draw;
mod engine_many_claims;
mod engine_passes;
mod engine_payments;
mod engine_queue;
mod engine_refunds;
mod engine_reservations;
mod engine_sale;
mod engine_seats;
mod engine_sessions;
mod fencing;
mod forgot;
mod free_seats;
mod gateway_faults;
mod hang_ups;
mod hoarding;
mod houses;
mod journal;
mod journal_order;
mod kills;
mod late_money;
#[cfg(target_os = "linux")]
mod leaks;
mod limits;
mod limits_fans;
mod limits_hoard;
mod limits_nodes;
mod limits_payments;
mod live;
mod live_checker;
mod live_clients;
mod live_lost;
mod live_match;
mod live_plan;
mod live_streams;
mod logs;
mod long_term_secret;
mod mail_links;
mod memory_full;
mod metrics;
mod model;
mod money;
mod outage;
mod outage_backlog;
mod outage_gateway;
mod outage_redis;
mod outside;
mod outside_calls;
mod oversell;
mod own_account;
mod own_payments;
mod own_reservations;
mod page;
mod plan_command;
mod price_lists;
mod prices;
mod privileges;
mod program_keys;
mod purchase;
mod queue_api;
mod queue_check;
mod queue_counts;
mod reasons;
mod recovery;
mod refund_terms;
mod remains;
mod repeated_holds;
mod retention;
mod roles;
mod rolling;
mod route_table;
#[cfg(target_os = "linux")]
mod rude_clients;
#[cfg(target_os = "linux")]
mod rude_http2;
#[cfg(target_os = "linux")]
mod rude_log_ins;
#[cfg(target_os = "linux")]
mod rude_tls;
mod sale_times;
mod seat_labels;
mod second_factor;
mod sentinel;
#[cfg(target_os = "linux")]
mod servers;
mod takeover;
mod tls;
mod told_again;
mod traces;
mod trail;
mod trail_routes;
mod two_masters;
mod two_releases;
#[cfg(target_os = "linux")]
mod vanished;
mod verify;
mod verify_charges;
mod webhooks;
