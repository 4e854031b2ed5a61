-- Uses a refresh token up: the first character of its value becomes 1. Returns the value before.
-- KEYS: 1 the refresh token's key
local found = redis.call('GET', KEYS[1])
if found then redis.call('SET', KEYS[1], '1' .. string.sub(found, 2), 'KEEPTTL') end
return found
