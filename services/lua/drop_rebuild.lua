-- Clear away what a rebuild has left that did not come to its end. Redis may be full: nothing here needs memory, so nothing
-- is refused then.
--
-- KEYS[1] rebuilding   KEYS[2], KEYS[3] standings and players of those who were placed since the rebuild began
-- KEYS[4], KEYS[5] standings and players of the copy   KEYS[6] no room
-- ARGV[1] the name of this rebuild   ARGV[2] milliseconds for which no other is to begin by itself, 0: at once
-- Returns 1 if this rebuild was still the one under way, else 0
local ours = redis.call('GET', KEYS[1]) == ARGV[1]
if ours then
  if tonumber(ARGV[2]) > 0 then
    redis.call('RENAME', KEYS[1], KEYS[6])  -- A SET would be refused.
    redis.call('PEXPIRE', KEYS[6], ARGV[2])
  end
  redis.call('UNLINK', KEYS[1], KEYS[2], KEYS[3])
end
redis.call('UNLINK', KEYS[4], KEYS[5])
return ours and 1 or 0
