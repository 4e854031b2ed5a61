
-- Changes the members of a group on one node, and publishes that. Returns their new number.
-- KEYS: 1 the node's members of the group, 2 the nodes that have some, 3 the group's stream
-- ARGV: 1 node, 2 milliseconds that the members are kept, 3 entries that the stream keeps, 4 its
--   life, 5 epoch, 6 nonce, 7 PUBLISH or SPUBLISH, and then for each change: + or -, id, subject
local members, nodes = KEYS[1], KEYS[2]
local to = {stream = KEYS[3], length = ARGV[3], life = ARGV[4], epoch = ARGV[5], publish = ARGV[7]}
local told = 0

local function tell(kind, id, subject)
  if redis.call('EXISTS', to.stream) == 0 then return end  -- no node follows it
  told = told + 1
  local who = cjson.encode({id = id, subject = subject, node = ARGV[1]})
  append(to, ARGV[6] .. '.' .. told, kind, '', who)
end

local function put(id, subject)
  if redis.call('HSET', members, id, subject) == 1 then tell('join', id, subject) end
end

local function take(id)
  local subject = redis.call('HGET', members, id)
  if subject then
    redis.call('HDEL', members, id)
    tell('leave', id, subject)
  end
end

for i = 8, #ARGV, 3 do
  if ARGV[i] == '+' then put(ARGV[i + 1], ARGV[i + 2]) else take(ARGV[i + 1]) end
end

local left = redis.call('HLEN', members)
if left == 0 then
  redis.call('SREM', nodes, ARGV[1])
else
  redis.call('SADD', nodes, ARGV[1])
  redis.call('PEXPIRE', nodes, ARGV[2])
  redis.call('PEXPIRE', members, ARGV[2])
end
return left
