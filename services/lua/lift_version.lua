-- Let versions go on above one that was published, where Redis began to count anew below it.
--
-- KEYS[1] published   KEYS[2] top10 (cache)
-- ARGV[1] the version that was published
-- Returns 1 if it was above all that Redis knows: nothing counts as published then, so that the next board is a frame.
--         Else 0
if tonumber(redis.call('HGET', KEYS[1], 'version') or 0) >= tonumber(ARGV[1]) then return 0 end
redis.call('HSET', KEYS[1], 'version', ARGV[1])
redis.call('HDEL', KEYS[1], 'ids', 'entries')
redis.call('DEL', KEYS[2])
return 1
