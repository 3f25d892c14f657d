-- Place players on the board by absolute score and version, and say whether the top 10 moved.
--
-- KEYS[1] standings: sorted set of score by member      KEYS[2] players: hash of user id to "version|member|name"
-- KEYS[3] top10: the cached JSON                        KEYS[4] generation: counts what dropped the cache
-- KEYS[5] loaded: present while the board is complete   KEYS[6] doorbell of the recomputation
-- KEYS[7] rebuilding: present during a rebuild          KEYS[8], KEYS[9] standings and players to be put into its copy
-- ARGV[1] life of the doorbell in milliseconds
-- ARGV[2] the member of the last player if they are held, to tell them the rank they would have; else ''
-- ARGV[3..] five per player: user id, version, score, member ('' takes the player off), username as JSON
-- Returns {1 if the board is loaded, 1 if the top 10 moved, 1 if the doorbell is to be rung, rank of the last player or 0}
--
-- A member sorts equal scores: see services/leaderboard/keys.py. A version that is not newer changes nothing, so that
-- doubled and reordered placements are harmless. During a rebuild all are noted for it as well, so nothing is missed.
local TOP = 10

local function in_top(standings, member)
  local rank = member ~= '' and redis.call('ZREVRANK', standings, member)
  return rank and rank < TOP
end

local function place(standings, players, user, version, score, member, name)
  local known = redis.call('HGET', players, user)
  local old = ''
  if known then
    local known_version
    known_version, old = string.match(known, '^(%d+)|([^|]*)|')
    if tonumber(known_version) >= tonumber(version) then return false, old end
  end
  local moved = in_top(standings, old)
  if old ~= '' and old ~= member then redis.call('ZREM', standings, old) end
  if member ~= '' then redis.call('ZADD', standings, score, member) end
  redis.call('HSET', players, user, version .. '|' .. member .. '|' .. name)
  return moved or in_top(standings, member), member
end

local rebuilding = redis.call('EXISTS', KEYS[7]) == 1
local moved, last = false, ''
for i = 3, #ARGV, 5 do
  local user, version, score, member, name = ARGV[i], ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4]
  local touched
  touched, last = place(KEYS[1], KEYS[2], user, version, score, member, name)
  moved = moved or touched
  if rebuilding then place(KEYS[8], KEYS[9], user, version, score, member, name) end
end
local loaded, ring = redis.call('EXISTS', KEYS[5]), 0
if moved then
  redis.call('DEL', KEYS[3])
  redis.call('INCR', KEYS[4])
  if redis.call('SET', KEYS[6], '1', 'NX', 'PX', ARGV[1]) then ring = 1 end
end
local held = last == '' and ARGV[2] ~= ''
if held then
  last = ARGV[2]
  redis.call('ZADD', KEYS[1], ARGV[#ARGV - 2], last)
end
local rank = last ~= '' and redis.call('ZREVRANK', KEYS[1], last)
if held then redis.call('ZREM', KEYS[1], last) end
return {loaded, moved and 1 or 0, ring, rank and rank + 1 or 0}
