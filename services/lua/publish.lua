-- Recompute the top 10, compare it with what was last published, and publish it under the next version: in one step, so
-- that two workers can neither publish one change twice nor miss one.
--
-- KEYS[1] standings   KEYS[2] players   KEYS[3] top10 (cache)   KEYS[4] published: hash of version, ids, entries, at,
-- updatedAt, and run, the master that published it
-- KEYS[5] loaded      KEYS[6] doorbell  KEYS[7] deferred: a later recomputation is on its way
-- KEYS[8] the channel   KEYS[9] the channel that says, just before a board, what caused it: "version JSON"
-- ARGV[1] now, RFC 3339   ARGV[2] now, Unix milliseconds   ARGV[3] least milliseconds between frames that only change scores
-- ARGV[4] life of the cache in seconds   ARGV[5] the largest user id, which members count down from   ARGV[6] the cause
-- Returns {'published', version} | {'unchanged', version} | {'later', milliseconds, 1 if the caller is to schedule it}
--         | {'not loaded', 0}
--
-- Another master than the one that published last (a restart, a failover there and back, a restored file) may not know the
-- last of what was published, so it counts nothing as published. Its first version is the time in milliseconds, or a good deal
-- more than the last where that clock is behind: more than any before it as long as there were fewer than 1,000 frames a
-- second. So versions only grow, and none names two boards.
local ABOVE_LOST = 1000

redis.call('DEL', KEYS[6])
if redis.call('EXISTS', KEYS[5]) == 0 then return {'not loaded', 0} end

local rows = redis.call('ZREVRANGE', KEYS[1], 0, 9, 'WITHSCORES')
local ids, entries = {}, {}
for i = 1, #rows, 2 do
  local id = string.format('%.0f', ARGV[5] - (tonumber(string.match(rows[i], ':(%d+)$')) or 0))
  local member, name = string.match(redis.call('HGET', KEYS[2], id) or '', '^%d+|([^|]*)|(.*)$')
  if member ~= rows[i] then  -- Redis lost or gained something behind our back: the sweep is to mend it.
    redis.call('DEL', KEYS[5])
    return {'not loaded', 0}
  end
  ids[#ids + 1] = id
  entries[#entries + 1] = '{"rank":' .. #ids .. ',"userId":' .. id .. ',"username":' .. name .. ',"score":' .. rows[i + 1] .. '}'
end
local id_list, entry_list = table.concat(ids, ','), table.concat(entries, ',')

local run = (string.match(redis.call('INFO', 'server'), 'run_id:(%x+)') or '')
  .. (string.match(redis.call('INFO', 'replication'), 'master_replid:(%x+)') or '')
local last = redis.call('HMGET', KEYS[4], 'version', 'ids', 'entries', 'at', 'run')
local version, known = tonumber(last[1]) or 0, last[5] == run
if known and last[3] == entry_list then return {'unchanged', version} end
if known and last[2] == id_list then
  local wait = last[4] + ARGV[3] - ARGV[2]
  if wait > 0 and wait <= tonumber(ARGV[3]) then
    local first = redis.call('SET', KEYS[7], '1', 'NX', 'PX', wait)
    return {'later', wait, first and 1 or 0}
  end
end

local now, step = tonumber(ARGV[2]), 1
if not known and now < version then step = ABOVE_LOST end
version = string.format('%.0f', math.max(version + step, known and 0 or now))
local board = '{"leaderboard":[' .. entry_list .. '],"updatedAt":"' .. ARGV[1] .. '","version":' .. version .. '}'
redis.call('HSET', KEYS[4], 'version', version, 'ids', id_list, 'entries', entry_list, 'at', ARGV[2], 'updatedAt', ARGV[1],
  'run', run)
redis.call('SET', KEYS[3], board, 'EX', ARGV[4])
redis.call('PUBLISH', KEYS[9], version .. ' ' .. ARGV[6])
redis.call('PUBLISH', KEYS[8], board)
return {'published', tonumber(version)}
