-- Asks for a task.
-- KEYS: its hash, its record, the popped ones, the space.
-- ARGV: agent, node, fence in the file, lease in ms, id, the id of the space that is known ('' for any), 1 if what somebody
-- popped is taken, too, the branch that the caller mirrors ('' for any).
-- Answer: { 'won', fence, the holder before whose lease was over } | { 'kept', fence } | { 'lost', holder, fence, ms left }
-- | { 'popped', ms left } | { 'ended', status } | { 'settling', ms left }.
local hash, record, popped, space = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local agent, node, filed, lease, id = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4]), ARGV[5]
local now = clock()
local function text(number) return string.format('%.0f', number) end

-- The data are of another branch by now: whatever they say is about other tasks.
local space_id, opens, branch = unpack(fields_of(space, 'id', 'opens', 'branch'))
if ARGV[8] ~= '' and branch and branch ~= '' and branch ~= ARGV[8] then return { 'settling', text(lease) } end

local status = fields_of(hash, 'status')[1]
if status == 'completed' or status == 'failed' then return { 'ended', status } end
local holder, fence, ends = unpack(fields_of(record, 'holder', 'fence', 'until'))
holder, fence, ends = holder or '', tonumber(fence) or 0, tonumber(ends) or 0
if redis.call('TYPE', record).ok ~= 'hash' then redis.call('DEL', record) end

if holder == agent and fence >= filed then
  redis.call('HSET', record, 'until', text(math.max(ends, now + lease)), 'holder_node', node)
  return { 'kept', text(fence) }
end
if holder ~= '' and ends > now and fence >= filed then
  return { 'lost', holder, text(fence), text(ends - now) }
end
local out = tonumber(string.match(fields_of(popped, id)[1] or '', '^%d+') or '') or 0
if out > now and ARGV[7] ~= '1' then return { 'popped', text(out - now) } end
-- The data were lost since the caller came to them, and those who have tasks have not told of them.
if ARGV[6] ~= '' and space_id ~= ARGV[6] and holder ~= agent then return { 'settling', text(lease) } end
opens = tonumber(opens) or 0
if opens > now and holder ~= agent then return { 'settling', text(opens - now) } end

fence = math.max(fence, filed) + 1
redis.call('HSET', record, 'holder', agent, 'fence', text(fence), 'until', text(now + lease), 'holder_node', node)
return { 'won', text(fence), holder ~= agent and holder or '' }
