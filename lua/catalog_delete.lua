-- Deletes a document of the catalogue, with the keys that belong to it.
-- KEYS[1]  HASH  documents   KEYS[2]  STREAM journal   KEYS[3]  STREAM notices
-- KEYS[4]  HASH  partition   KEYS[5..]  keys of the match that go with it
-- ARGV[1]  site | match   ARGV[2]  id   ARGV[3]  version expected   ARGV[4]  life of a notice in ms
-- ARGV[5]  JSON of the entry of the audit trail, or empty
-- Replies: not_loaded missing stale deleted
-- Emits: journal: site_deleted match_deleted trail; notices: site match
-- Cost: O(1); Redis frees the memory in the background
if redis.call('HEXISTS', KEYS[4], 'layout') == 0 then return 'not_loaded' end
local now = redis_ms()
local document = redis.call('HGET', KEYS[1], ARGV[2])
if not document then return 'missing' end
if document:match('"version":(%d+)') ~= ARGV[3] then return 'stale' end
-- all checked: write
redis.call('HDEL', KEYS[1], ARGV[2])
for number = 5, #KEYS do redis.call('UNLINK', KEYS[number]) end
redis.call('XADD', KEYS[2], '*', 'v', '1', 't', ARGV[1] .. '_deleted', 'id', ARGV[2])
trail_add(KEYS[2], ARGV[5])
redis.call('XADD', KEYS[3], 'MINID', '~', string.format('%.0f', now - tonumber(ARGV[4])), '*',
  ARGV[1], ARGV[2])
return 'deleted'
