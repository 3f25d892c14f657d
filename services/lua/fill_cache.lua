-- Cache a board that was read from PostgreSQL, unless the top 10 moved while it was being read.
--
-- KEYS[1] generation   KEYS[2] top10   KEYS[3] published
-- ARGV[1] the generation before the read ('' if there was none)   ARGV[2] the JSON   ARGV[3] its life in seconds
-- ARGV[4] the version that the JSON carries: one that was published meanwhile is in the cache already
-- Returns 1 if it was cached
if (redis.call('GET', KEYS[1]) or '') ~= ARGV[1] then return 0 end
if (redis.call('HGET', KEYS[3], 'version') or '0') ~= ARGV[4] then return 0 end
redis.call('SET', KEYS[2], ARGV[2], 'EX', ARGV[3])
return 1
