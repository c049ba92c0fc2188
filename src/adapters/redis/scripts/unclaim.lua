-- Gives a task back, if it is still held so.
-- KEYS: its hash, its record. ARGV: agent, fence.
-- Answer: 1 if it was.
local holder, fence = unpack(fields_of(KEYS[2], 'holder', 'fence'))
if holder ~= ARGV[1] or tonumber(fence) ~= tonumber(ARGV[2]) then return 0 end
redis.call('HSET', KEYS[2], 'holder', '', 'until', '0')
return 1
