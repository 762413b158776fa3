-- The audit trail. Its entries are facts of the journal.

-- Adds an entry in the same step as what it is about. An empty text is no entry.
local function trail_add(journal, text)
  if text == '' then return end
  redis.call('XADD', journal, '*', 'v', '1.2', 't', 'trail', 'doc', text)
end
