-- Put a rebuilt board in the place of the old one, in one step.
--
-- KEYS[1] standings   KEYS[2] players   KEYS[3] top10   KEYS[4] generation   KEYS[5] loaded
-- KEYS[6] rebuilding  KEYS[7] the new standings   KEYS[8] the new players
-- ARGV[1] the name of this rebuild
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
return 1
