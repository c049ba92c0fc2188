-- Comes to a set of data, and sees whether it is the one that was known.
-- KEYS: the space (a hash: id, opens, branch). ARGV: the id known ('' for none), an id for a new one, quiet time in ms, the
-- branch of whoever comes ('' for none): the first one's counts.
-- Answer: { id, ms until it opens, 1 if it is new, 1 if it is not the one known, the branch }.
local space, known, fresh, quiet = KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[3])
local now = clock()
local id, opens = unpack(fields_of(space, 'id', 'opens'))
opens = tonumber(opens) or 0
local is_new = not id
if is_new then
  id = fresh
  opens = known == '' and 0 or now + quiet
  redis.call('DEL', space)
  redis.call('HSET', space, 'id', id, 'opens', string.format('%.0f', opens))
elseif known ~= '' and id ~= known then
  opens = math.max(opens, now + quiet)
  redis.call('HSET', space, 'opens', string.format('%.0f', opens))
end
local changed = known ~= '' and id ~= known
local branch = redis.call('HGET', space, 'branch') or ''
if branch == '' and ARGV[4] ~= '' then
  branch = ARGV[4]
  redis.call('HSET', space, 'branch', branch)
end
return { id, string.format('%.0f', math.max(opens - now, 0)), is_new and 1 or 0, changed and 1 or 0, branch }
