-- The book of one batch: what the batch has read, what its commands changed, and one write at the
-- end. Commands see each other's changes here before Redis does. A command checks all it needs
-- first, then changes the book; nothing below `book_write` can refuse.
local limit, book, deadline

local function book_open()
  limit = { seats_per_user = tonumber(ARGV[3]) }
  local clock = clock_read(KEYS[1])
  book = {
    now = clock_now(clock), layout = clock.layout, halted = clock.halted,
    text = {}, claims = {}, changed = {}, changes = 0, due = {}, ended = {}, moved = 0,
    answers = {}, operations = {}, repeats = {}, facts = {}, replies = {},
    key = { claims = KEYS[2], due = KEYS[3], journal = KEYS[4] },
  }
  book.ring = operation_ring({ KEYS[5], KEYS[6], KEYS[7] }, book.now)
  -- Times are compared as text: until the year 2286 they all have 13 digits.
  book.now_text = whole(book.now)
  -- Until when a new claim is good, by its state.
  deadline = { H = whole(book.now + ARGV[1]), P = whole(book.now + ARGV[2]) }
end

local function next_version(match)
  match.version = match.version + 1
  return match.version
end

-- A user who changes twice stands twice in the list: what is written is how it stands at the end,
-- and writing that twice does nothing.
local function user_changed(user)
  local count = book.changes + 1
  book.changes, book.changed[count] = count, user
end

local function claim_changed(claim)
  rawset(claim, 'text', claim.version and false)
  user_changed(claim.user)
end

-- A claim of this user ends by itself at this time, unless it has ended or moved on before.
local function due_at(time, user)
  local users = book.due[time]
  if not users then
    users = {}
    book.due[time] = users
  end
  users[#users + 1] = user
end
