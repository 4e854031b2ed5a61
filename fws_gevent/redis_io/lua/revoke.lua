-- Keeps a revocation, and tells all nodes. Returns 1, or 0 if there is no room.
-- KEYS: 1 the times of revocations, 2 revocations by the time of their end, 3 everybody's stream
-- ARGV: 1 "kind:value", 2 the time of the revocation, 3 the time of its end, 4 now (seconds since
--   1970, all three), 5 revocations that are kept at most, 6 entries that the stream keeps,
--   7 its life, 8 epoch, 9 nonce, 10 PUBLISH or SPUBLISH
for _, over in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', ARGV[4])) do
  redis.call('ZREM', KEYS[2], over)
  redis.call('HDEL', KEYS[1], over)
end
local known = redis.call('HGET', KEYS[1], ARGV[1])
if not known and redis.call('HLEN', KEYS[1]) >= tonumber(ARGV[5]) then return 0 end
local at = math.max(tonumber(ARGV[2]), tonumber(known or 0))
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f', at))
redis.call('ZADD', KEYS[2], 'GT', ARGV[3], ARGV[1])
local last = redis.call('ZREVRANGE', KEYS[2], 0, 0, 'WITHSCORES')[2]
for i = 1, 2 do redis.call('EXPIREAT', KEYS[i], string.format('%.0f', math.ceil(last))) end
local to = {stream = KEYS[3], length = ARGV[6], life = ARGV[7], epoch = ARGV[8], publish = ARGV[10]}
append(to, ARGV[9], 'revoke', '', ARGV[1] .. ' ' .. ARGV[2] .. ' ' .. ARGV[3])
return 1
