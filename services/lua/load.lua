-- Load standings into the copy that a rebuild prepares. A placement that came in meanwhile wins if its version is newer.
--
-- KEYS[1] the new standings   KEYS[2] the new players   KEYS[3] rebuilding
-- ARGV[1] the name of this rebuild   ARGV[2] life in milliseconds of the copy, should the rebuild die
-- ARGV[3..] five per player: user id, version, score, member ('' for players off the board), username as JSON
-- Returns 1, or 0 if another rebuild took over
if redis.call('GET', KEYS[3]) ~= ARGV[1] then return 0 end
for i = 3, #ARGV, 5 do
  local known = redis.call('HGET', KEYS[2], ARGV[i])
  local version, old = string.match(known or '0||', '^(%d+)|([^|]*)|')
  if tonumber(version) < tonumber(ARGV[i + 1]) then
    if old ~= '' and old ~= ARGV[i + 3] then redis.call('ZREM', KEYS[1], old) end
    if ARGV[i + 3] ~= '' then redis.call('ZADD', KEYS[1], ARGV[i + 2], ARGV[i + 3]) end
    redis.call('HSET', KEYS[2], ARGV[i], ARGV[i + 1] .. '|' .. ARGV[i + 3] .. '|' .. ARGV[i + 4])
  end
end
for i = 1, 3 do redis.call('PEXPIRE', KEYS[i], ARGV[2]) end
return 1
