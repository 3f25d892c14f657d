-- Put a rebuilt board in the place of the old one, in one step.
--
-- KEYS[1] standings   KEYS[2] players   KEYS[3] top10   KEYS[4] generation   KEYS[5] loaded
-- KEYS[6] rebuilding  KEYS[7] the new standings   KEYS[8] the new players   KEYS[9] published
-- ARGV[1] the name of this rebuild   ARGV[2] Unix milliseconds if this Redis may have forgotten what was published, else 0
-- Returns 1 if it was done, 0 if another rebuild took over (this one's work is then of no use)
if redis.call('GET', KEYS[6]) ~= ARGV[1] then return 0 end
for i = 1, 2 do
  redis.call('UNLINK', KEYS[i])  -- Freed in the background: a million members would hold everybody up.
  if redis.call('EXISTS', KEYS[i + 6]) == 1 then
    redis.call('RENAME', KEYS[i + 6], KEYS[i])
    redis.call('PERSIST', KEYS[i])
  end
end
redis.call('DEL', KEYS[3], KEYS[6])
redis.call('INCR', KEYS[4])
redis.call('SET', KEYS[5], '1')
if tonumber(ARGV[2]) > 0 then  -- Publish anew, under a version that is more than any forgotten one.
  local version = math.max(tonumber(redis.call('HGET', KEYS[9], 'version') or 0), tonumber(ARGV[2]))
  redis.call('HSET', KEYS[9], 'version', string.format('%.0f', version))
  redis.call('HDEL', KEYS[9], 'ids', 'entries')
end
return 1
