-- Let a player hold one more socket, if that is not too many.
--
-- KEYS[1]  the player's sockets, a sorted set: name by the end of its lease
-- ARGV[1]  now   ARGV[2] the end of the new lease, both in seconds   ARGV[3] its name   ARGV[4] the most sockets
--          ARGV[5...] names of sockets that have ended
-- Returns  1 if the socket may stay, however often that is asked; 0 if the player holds too many already
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[1])
for number = 5, #ARGV do redis.call('ZREM', KEYS[1], ARGV[number]) end
if redis.call('ZSCORE', KEYS[1], ARGV[3]) then return 1 end
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[4]) then return 0 end
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[3])
redis.call('EXPIREAT', KEYS[1], ARGV[2])
return 1
