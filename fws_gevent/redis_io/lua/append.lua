-- Appends an entry to a stream, publishes it on the channel of the same name, and returns its id.
-- publish: 'PUBLISH', or 'SPUBLISH' on a Redis Cluster. epoch: for a stream that is yet to begin.
local function value_of(entry, name)
  for i = 1, #entry[2], 2 do
    if entry[2][i] == name then return entry[2][i + 1] end
  end
  return ''
end

local function latest(stream)
  return redis.call('XREVRANGE', stream, '+', '-', 'COUNT', 1)[1]
end

local function append(to, nonce, kind, except, data)
  local last = latest(to.stream)
  local previous, epoch = '0-0', ''
  if last then
    previous, epoch = last[1], value_of(last, 'epoch')
    local before, looked = last, 0
    while epoch == '' and before and looked < 100 do  -- another program's: the epoch goes on
      before = redis.call('XREVRANGE', to.stream, '(' .. before[1], '-', 'COUNT', 1)[1]
      epoch, looked = before and value_of(before, 'epoch') or '', looked + 1
    end
  end
  if epoch == '' then epoch = to.epoch end
  local id = redis.call('XADD', to.stream, 'MAXLEN', '~', to.length, '*',
    'epoch', epoch, 'nonce', nonce, 'previous', previous,
    'kind', kind, 'except', except, 'data', data)
  redis.call('PEXPIRE', to.stream, to.life)
  redis.call(to.publish, to.stream,
    table.concat({id, previous, epoch, nonce, kind, except}, ' ') .. '\n' .. data)
  return id
end

