-- Counts an entry of an owner, and removes the owner's oldest entries if there are too many.
-- KEYS: 1 the owner's entries by the time of their end, 2 a set to remove the entry from (optional)
-- ARGV: 1 the entry, 2 its end, 3 now (both in seconds since 1970), 4 entries of an owner at most,
--   5 "1" to remove the oldest entries; otherwise nothing is counted if there is no room
-- Returns 0 if there is no room, or the removed entries.
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
