-- Let one call in: check the session, then every sliding window, and count the call only if all of them have room.
--
-- KEYS[1]  list of the times of the last calls, in microseconds, oldest first
-- KEYS[2]  optional: the session as cached by services/sessions.py
-- ARGV[1]  how many calls to remember: the largest limit (0: there is no limit)
-- ARGV[2..] pairs of limit and window in milliseconds
-- Returns  {session or '', milliseconds to wait (0: let in)}
--
-- A window of `limit` calls is full when the limit-th newest call still lies in it, so looking at one element per window
-- is exact. Times are Redis's own, so that web servers' clocks need not agree. After that clock was set back, a call of the
-- future counts in no window: it would bar the player until it is past. The ledger holds the limits all the same.
local session = ''
if KEYS[2] then
  session = redis.call('GET', KEYS[2]) or ''
  if string.sub(session, 1, 1) ~= '+' then return {session, 0} end
end
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local wait = 0
for i = 2, #ARGV, 2 do
  local earliest = redis.call('LINDEX', KEYS[1], -ARGV[i])
  if earliest and tonumber(earliest) <= now then
    wait = math.max(wait, earliest + ARGV[i + 1] * 1000 - now)
  end
end
if wait > 0 then return {session, math.ceil(wait / 1000)} end
if tonumber(ARGV[1]) > 0 then
  redis.call('RPUSH', KEYS[1], string.format('%.0f', now))
  redis.call('LTRIM', KEYS[1], -ARGV[1], -1)
  redis.call('PEXPIRE', KEYS[1], ARGV[#ARGV])
end
return {session, 0}
