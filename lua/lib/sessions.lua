-- The sessions of an account: one hash with a field for each. A session is one log-in, and all
-- refresh tokens that came from it. Its record has when it began, when it was used last and when it
-- ends (all in ms), an address, its tokens, and the name of the program that logged in.
local SESSION_FORM = '^(%d+)|(%d+)|(%d+)|([^|]*)|([^|]*)|(.*)$'

local function session_parse(text)
  local began, used, ends, address, tokens, agent = (text or ''):match(SESSION_FORM)
  if not began then return nil end
  return { began = tonumber(began), used = tonumber(used), ends = tonumber(ends),
    address = address, tokens = tokens, agent = agent }
end

local function session_text(session)
  return string.format('%.0f|%.0f|%.0f|%s|%s|%s', session.began, session.used, session.ends,
    session.address, session.tokens, session.agent)
end

-- The sessions of an account in the order in which they began, and the ids of those whose time is
-- over.
local function sessions_read(key, now)
  local flat, list, over = redis.call('HGETALL', key), {}, {}
  for place = 1, #flat, 2 do
    local session = session_parse(flat[place + 1])
    if session then
      session.id = flat[place]
      if session.ends > now then list[#list + 1] = session else over[#over + 1] = session.id end
    end
  end
  table.sort(list, function(a, b)
    if a.began ~= b.began then return a.began < b.began end
    return a.id < b.id
  end)
  return list, over
end

-- Adds a notice, and drops those that are older than `life_ms`.
local function notice_add(notices, life_ms, ...)
  redis.call('XADD', notices, 'MINID', '~', string.format('%.0f', redis_ms() - life_ms), '*', ...)
end

-- Ends a session and tells every node to refuse its access tokens.
local function session_drop(key, notices, life_ms, id)
  redis.call('HDEL', key, id)
  notice_add(notices, life_ms, 'revoked', id)
end
