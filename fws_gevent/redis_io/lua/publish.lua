-- Publishes a message to a group, once. Returns its id, or an error that begins with LATE.
-- KEYS: 1 the group's stream, 2 the message's own key, which remembers that it was published
-- ARGV: 1 kind (text, binary), 2 data, 3 id of a connection that doesn't get it (or ''),
--   4 nonce (random), 5 epoch (random; used if the stream is yet to begin),
--   6 entries that the stream keeps, 7 milliseconds that it lives after its last entry,
--   8 milliseconds that the message's own key lives,
--   9 latest time to publish, in milliseconds since 1970 on the clock of Redis (0: any time),
--   10 PUBLISH, or SPUBLISH on a Redis Cluster
for _, i in ipairs({1, 3, 4, 5}) do  -- the channel has them in one line, between spaces
  if string.find(ARGV[i], '[ \n]') then
    return redis.error_reply('ERR kind, id, nonce and epoch can have neither spaces nor newlines')
  end
end
if string.len(ARGV[2]) > 33554432 then  -- no node could read it in time
  return redis.error_reply('ERR a message has 33554432 bytes at most')
end
local known = redis.call('GET', KEYS[2])
if known then return known end
if ARGV[9] ~= '0' then
  local now = redis.call('TIME')
  if now[1] * 1000 + now[2] / 1000 > tonumber(ARGV[9]) then
    return redis.error_reply('LATE the time to publish this message is over')
  end
end
local to = {stream = KEYS[1], epoch = ARGV[5], length = ARGV[6], life = ARGV[7], publish = ARGV[10]}
local id = append(to, ARGV[4], ARGV[1], ARGV[3], ARGV[2])
redis.call('SET', KEYS[2], id, 'PX', ARGV[8])
return id
