-- Takes an entry out of a list and notes it under an id. KEYS: the list, the hash of what was taken. ARGV: entry, id.
-- Answer: 1 if it was there, else 0.
own(KEYS[2], 'hash')
local taken = redis.call('LREM', KEYS[1], -1, ARGV[1])
if taken > 0 then redis.call('HSET', KEYS[2], ARGV[2], ARGV[1]) end
return taken
