-- Gives the lead back.
-- KEYS: the lease, who had it last. ARGV: node.
-- Answer: 0 if another node has it, else 1.
own(KEYS[1], 'string')
own(KEYS[2], 'string')
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('DEL', KEYS[1])
if redis.call('GET', KEYS[2]) == ARGV[1] then redis.call('DEL', KEYS[2]) end
return 1
