-- The audit trail is also read by act, and a rare act may be far behind thousands of check-ins.
create index trail_act on trail (act, number);
