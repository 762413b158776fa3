-- Lets a user in at once, who need not be in the queue. A pass that the user has stays as it is.
-- KEYS[1]  HASH  meta   KEYS[2]  ZSET  queue   KEYS[3]  ZSET  passes   KEYS[4]  HASH  partition
-- ARGV[1]  user
-- Replies: not_loaded ended off not_open admitted
-- Cost: O(log people waiting)
local queue = queue_read(KEYS[1], clock_read(KEYS[4]))
if not queue.status then return 'not_loaded' end
if queue.status == MATCH.CLOSED or queue.status == MATCH.ARCHIVED then return 'ended' end
if not queue.enabled then return 'off' end
if queue.status ~= MATCH.OPEN then return 'not_open' end
local score = redis.call('ZSCORE', KEYS[3], ARGV[1])
-- all checked: write
redis.call('ZREM', KEYS[2], ARGV[1])
local ends_at = score and select(2, pass_parse(score)) or 0
if ends_at <= queue.now then queue_let_in(KEYS[1], KEYS[3], queue, { ARGV[1] }) end
return 'admitted'
