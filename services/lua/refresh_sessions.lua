-- Overwrite what the cache says of a player's sessions, but for those that were revoked meanwhile.
--
-- KEYS     the sessions, as cached by services/sessions.py
-- ARGV[1]  the new value   ARGV[2...] for each session, how many milliseconds the cache may hold it
-- Returns  nothing
for number, key in ipairs(KEYS) do
  if redis.call('GET', key) ~= '-INVALID_TOKEN' then redis.call('SET', key, ARGV[1], 'PX', ARGV[number + 1]) end
end
