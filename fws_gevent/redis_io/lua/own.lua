-- Counts an entry to its owner, and says which of the owner's entries give way for it.
-- KEYS: 1 the owner's entries by when they end, 2 those that it is taken out of (may be absent)
-- ARGV: 1 the entry, 2 when it ends, 3 now (seconds since 1970, both), 4 entries of an owner at most,
--   5 "1" if the oldest give way; otherwise nothing is counted where there is no room
-- Returns 0 where there is no room, or the entries that gave way.
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', ARGV[3])
local room = tonumber(ARGV[4]) - redis.call('ZCARD', KEYS[1])
if redis.call('ZSCORE', KEYS[1], ARGV[1]) then room = room + 1 end
if room < 1 and ARGV[5] ~= '1' then return 0 end
local gone = {}
if room < 1 then
  local popped = redis.call('ZPOPMIN', KEYS[1], 1 - room)
  for i = 1, #popped, 2 do gone[#gone + 1] = popped[i] end
end
redis.call('ZADD', KEYS[1], ARGV[2], ARGV[1])
local last = redis.call('ZREVRANGE', KEYS[1], 0, 0, 'WITHSCORES')[2]
redis.call('EXPIRE', KEYS[1], string.format('%.0f', math.max(1, math.ceil(last - ARGV[3]))))
if KEYS[2] then redis.call('ZREM', KEYS[2], ARGV[1]) end
return gone
