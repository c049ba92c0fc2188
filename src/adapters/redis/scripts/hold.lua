-- Takes or renews a lease that one node at a time has.
-- KEYS: the lease. ARGV: node, how long in ms.
-- Answer: 1 if it is the node's.
own(KEYS[1], 'string')
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
