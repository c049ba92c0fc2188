-- Takes or renews the lead, which one node at a time has. A renewal needs no memory.
-- KEYS: the lease, who had it last. ARGV: node, how long in ms, how long it is remembered who had it last, in ms.
-- Answer: 0 if another node has it; 1 if the node has it from now on; 2 if no other node has had it since the node had it last;
-- 3 if the node has it from now on, and the node that had it last did not let go of it.
own(KEYS[1], 'string')
own(KEYS[2], 'string')
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
if holder then
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  redis.call('PEXPIRE', KEYS[2], ARGV[3])
  return 2
end
local last = redis.call('GET', KEYS[2])
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[3])
if not last then return 1 end
return last == ARGV[1] and 2 or 3
