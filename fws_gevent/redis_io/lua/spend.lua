-- Uses a refresh token: the first character of its value becomes 1. The salt of the first use is
-- kept for a while, for another attempt of the client if the answer is lost.
-- KEYS: 1 the refresh token's key, 2 the salt's key
-- ARGV: 1 a salt, 2 milliseconds that it is kept (0: not at all)
-- Returns the value before and the salt of the first use ('' if it is no longer kept), or nothing.
local found = redis.call('GET', KEYS[1])
if not found then return {} end
if string.sub(found, 1, 1) ~= '0' then return {found, redis.call('GET', KEYS[2]) or ''} end
redis.call('SET', KEYS[1], '1' .. string.sub(found, 2), 'KEEPTTL')
if tonumber(ARGV[2]) > 0 then redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2]) end
return {found, ARGV[1]}
