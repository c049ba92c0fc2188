-- Makes a lease last; tells of one anew that the server has forgotten.
-- KEYS: the hash of the task, its record. ARGV: agent, node, fence, lease in ms.
-- Answer: { 'renewed' } | { 'lost', holder, fence, ms left }.
local record, agent, node, mine, lease = KEYS[2], ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local now = clock()
local holder, fence, ends = unpack(fields_of(record, 'holder', 'fence', 'until'))
fence, ends = tonumber(fence) or 0, tonumber(ends) or 0
if mine > fence or (mine == fence and holder == agent) then
  if mine > fence then ends = 0 end
  if redis.call('TYPE', record).ok ~= 'hash' then redis.call('DEL', record) end
  redis.call('HSET', record, 'holder', agent, 'fence', string.format('%.0f', mine),
    'until', string.format('%.0f', math.max(ends, now + lease)), 'holder_node', node)
  return { 'renewed' }
end
return { 'lost', holder or '', string.format('%.0f', fence), string.format('%.0f', math.max(ends - now, 0)) }
