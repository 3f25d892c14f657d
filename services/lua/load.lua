-- Load standings into the copy that a rebuild prepares. A placement that came in meanwhile wins if its version is newer.
--
-- KEYS[1] the new standings   KEYS[2] the new players   KEYS[3] rebuilding
-- ARGV[1] the name of this rebuild   ARGV[2] life in milliseconds of the copy, should the rebuild die
-- ARGV[3..] five per player: user id, version, score, member ('' for players off the board), username as JSON
-- Returns 1, or 0 if another rebuild took over
--
-- One command for all players at a time: a million players are loaded in half the time that one command each would take.
if redis.call('GET', KEYS[3]) ~= ARGV[1] then return 0 end
local users, places, players = {}, {}, {}
for i = 3, #ARGV, 5 do users[#users + 1] = ARGV[i] end
local known = redis.call('HMGET', KEYS[2], unpack(users))
for n = 1, #users do
  local i = 5 * n - 2
  local member, older = ARGV[i + 3], true
  if known[n] then
    local version, old = string.match(known[n], '^(%d+)|([^|]*)|')
    older = tonumber(version) < tonumber(ARGV[i + 1])
    if older and old ~= '' and old ~= member then redis.call('ZREM', KEYS[1], old) end
  end
  if older then
    if member ~= '' then
      places[#places + 1] = ARGV[i + 2]
      places[#places + 1] = member
    end
    players[#players + 1] = ARGV[i]
    players[#players + 1] = ARGV[i + 1] .. '|' .. member .. '|' .. ARGV[i + 4]
  end
end
if #places > 0 then redis.call('ZADD', KEYS[1], unpack(places)) end
if #players > 0 then redis.call('HSET', KEYS[2], unpack(players)) end
for i = 1, 3 do redis.call('PEXPIRE', KEYS[i], ARGV[2]) end
return 1
