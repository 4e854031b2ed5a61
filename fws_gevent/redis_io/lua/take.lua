-- Takes a ticket for the first attempt. The same attempt gets it again if it asks again.
-- KEYS: 1 the ticket's key
-- ARGV: 1 a name of the attempt (hexadecimal), 2 milliseconds that it is remembered
-- Returns the ticket's value, or nothing.
local found = redis.call('GET', KEYS[1])
if not found then return false end
local attempt, value = string.match(found, '^taken (%x+) (.*)$')
if attempt then
  if attempt == ARGV[1] then return value end
  return false
end
redis.call('SET', KEYS[1], 'taken ' .. ARGV[1] .. ' ' .. found, 'PX', ARGV[2])
return found
