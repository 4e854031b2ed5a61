-- Reads the entries of a stream after a position, and begins the stream if there is none.
-- KEYS: 1 the stream
-- ARGV: 1 id of the last entry seen ('' for none), 2 its nonce, 3 its epoch,
--   4 entries and 5 bytes to answer at most, 6 epoch and 7 nonce for a stream that begins now,
--   8 milliseconds that it lives, 9 PUBLISH or SPUBLISH,
--   10 '1' to answer the next entry even if it is larger than 5, else '0'
--   11 without a position: milliseconds back from now from which entries are answered, or none
-- Returns: state, the last entry's {id, nonce, epoch}, the entries that follow, 1 if there are more.
-- States: begun (there was no position), proven (nothing is missing), trimmed (entries after the
-- position were dropped), gone (there was no stream), other (it is a newer stream), older (it is an
-- older copy of the stream, without the position).
local function ids(text)
  local time, sequence = string.match(text, '^(%d+)-(%d+)$')
  return tonumber(time), tonumber(sequence)
end

local function is_later(first, second)
  local time, sequence = ids(first)
  local other_time, other_sequence = ids(second)
  return time > other_time or (time == other_time and sequence > other_sequence)
end

local stream, seen, nonce, epoch = KEYS[1], ARGV[1], ARGV[2], ARGV[3]
local last = latest(stream)
if not last then
  local to = {stream = stream, epoch = ARGV[6], length = 1, life = ARGV[8], publish = ARGV[9]}
  local id = append(to, ARGV[7], 'begin', '', '')
  return {seen == '' and 'begun' or 'gone', {id, ARGV[7], ARGV[6]}, {}, 0}
end
redis.call('PEXPIRE', stream, ARGV[8])
local place = {last[1], value_of(last, 'nonce'), value_of(last, 'epoch')}
local back = tonumber(ARGV[11] or '0')
if seen == '' and back == 0 then return {'begun', place, {}, 0} end

local state, from, same = 'proven', '(' .. seen, nil
if seen == '' then
  local now = redis.call('TIME')
  state, from = 'begun', string.format('%.0f', now[1] * 1000 + math.floor(now[2] / 1000) - back)
else
  same = redis.call('XRANGE', stream, seen, seen)[1]
end
if seen ~= '' and (not same or value_of(same, 'nonce') ~= nonce or value_of(same, 'epoch') ~= epoch) then
  local first = redis.call('XRANGE', stream, '-', '+', 'COUNT', 1)[1]
  if value_of(first, 'epoch') ~= epoch then
    state, from = 'other', '-'
  elseif is_later(first[1], seen) then
    state, from = value_of(first, 'previous') == seen and 'proven' or 'trimmed', '-'
  else
    state = 'older'
  end
end

local function size_of(entry)
  local size = 0
  for _, text in ipairs(entry[2]) do size = size + string.len(text) end
  return size
end

-- One at a time, as Lua copies each entry that is read, and entries may be large.
local entries, size, more = {}, 0, 1
while more == 1 and #entries < tonumber(ARGV[4]) do
  local entry = redis.call('XRANGE', stream, from, '+', 'COUNT', 1)[1]
  size = size + (entry and size_of(entry) or 0)
  if entry and size > tonumber(ARGV[5]) and not (#entries == 0 and ARGV[10] == '1') then break end
  entries[#entries + 1] = entry
  if entry then from = '(' .. entry[1] end
  if not entry or entry[1] == last[1] then more = 0 end
end
return {state, place, entries, more}
