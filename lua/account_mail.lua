-- Stores the token of a mail to the owner of an account, unless there were too many mails lately.
-- KEYS[1]  STRING  hash of the token and e-mail   KEYS[2]  STRING  how many mails there were
-- ARGV[1]  value of the token   ARGV[2]  its life in ms
-- ARGV[3]  most mails in a period   ARGV[4]  the period in ms
-- Replies: too_many stored
-- Cost: O(1)
if tonumber(redis.call('GET', KEYS[2]) or 0) >= tonumber(ARGV[3]) then return 'too_many' end
-- all checked: write
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
if redis.call('INCR', KEYS[2]) == 1 then redis.call('PEXPIRE', KEYS[2], ARGV[4]) end
return 'stored'
