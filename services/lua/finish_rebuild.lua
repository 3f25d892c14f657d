-- Put a rebuilt board in the place of the old one, in one step.
--
-- KEYS[1] standings   KEYS[2] players   KEYS[3] top10   KEYS[4] generation   KEYS[5] loaded
-- KEYS[6] rebuilding  KEYS[7], KEYS[8] standings and players of those who were placed since the rebuild began
-- KEYS[9] published   KEYS[10], KEYS[11] standings and players of the copy
-- ARGV[1] the name of this rebuild   ARGV[2] Unix milliseconds if this Redis may have forgotten what was published, else 0
-- Returns 1 if it was done, 0 if another rebuild took over (this one's work is then of no use)
if redis.call('GET', KEYS[6]) ~= ARGV[1] then return 0 end
redis.call('INCR', KEYS[4])  -- First, because a full Redis refuses it: then nothing has been changed yet.
local placed = redis.call('HGETALL', KEYS[8])
for i = 1, #placed, 2 do
  local user, value = placed[i], placed[i + 1]
  local version, member = string.match(value, '^(%d+)|([^|]*)|')
  local known, known_version, old = redis.call('HGET', KEYS[11], user), '0', ''
  if known then known_version, old = string.match(known, '^(%d+)|([^|]*)|') end
  if not known or tonumber(known_version) < tonumber(version) then
    if old ~= '' and old ~= member then redis.call('ZREM', KEYS[10], old) end
    if member ~= '' then redis.call('ZADD', KEYS[10], redis.call('ZSCORE', KEYS[7], member), member) end
    redis.call('HSET', KEYS[11], user, value)
  end
end
for i = 1, 2 do
  redis.call('UNLINK', KEYS[i])  -- Freed in the background: a million members would hold everybody up.
  if redis.call('EXISTS', KEYS[i + 9]) == 1 then
    redis.call('RENAME', KEYS[i + 9], KEYS[i])
    redis.call('PERSIST', KEYS[i])
  end
end
redis.call('UNLINK', KEYS[7], KEYS[8])
redis.call('DEL', KEYS[3], KEYS[6])
redis.call('SET', KEYS[5], '1')
if tonumber(ARGV[2]) > 0 then  -- Publish anew, under a version that is more than any forgotten one.
  local version = math.max(tonumber(redis.call('HGET', KEYS[9], 'version') or 0), tonumber(ARGV[2]))
  redis.call('HSET', KEYS[9], 'version', string.format('%.0f', version))
  redis.call('HDEL', KEYS[9], 'ids', 'entries')
end
return 1
