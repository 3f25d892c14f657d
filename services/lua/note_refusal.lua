-- Keep a refused call for the analysis, until a worker takes it to PostgreSQL.
--
-- KEYS[1]  list of refusals: "user id, code, microseconds", oldest first
-- KEYS[2]  how many of this player's of the same kind were kept within the hour
-- ARGV[1]  the user's id
-- ARGV[2]  the error code
-- ARGV[3]  how many the list holds; ARGV[4]  how many of one player an hour
-- Returns  1 if it was kept, 0 if the player has had enough
local number = redis.call('INCR', KEYS[2])
if number == 1 then redis.call('EXPIRE', KEYS[2], 3600) end
if number > tonumber(ARGV[4]) then return 0 end
local time = redis.call('TIME')
redis.call('RPUSH', KEYS[1], string.format('%s %s %.0f', ARGV[1], ARGV[2], time[1] * 1000000 + time[2]))
redis.call('LTRIM', KEYS[1], -ARGV[3], -1)
return 1
