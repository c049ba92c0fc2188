-- What several scripts need; it is put before them.

-- The server's clock in milliseconds.
local function clock()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

-- Some fields of a hash; all of them false where the key holds something else.
local function fields_of(key, ...)
  local found = redis.pcall('HMGET', key, ...)
  if found.err then found = {} end
  for i = 1, select('#', ...) do found[i] = found[i] or false end
  return found
end

-- Whether a name comes before another one, byte by byte: `<` follows the language of the server.
local function is_before(one, other)
  for i = 1, math.min(#one, #other) do
    local a, b = string.byte(one, i), string.byte(other, i)
    if a ~= b then return a < b end
  end
  return #one < #other
end

-- The digest of a hash as it is now, and its fields by their names; an empty text where it is absent. A hash that nobody
-- will read (too many fields, too long names, or no hash at all) has a digest that tells as much. The server gives the fields in another
-- order after a while, though nobody has written: hence by their names.
local FIELDS_MAX = 256
local NAMES_BYTES_MAX = 8192
local function sum_of(key)
  local count = redis.pcall('HLEN', key)
  if type(count) == 'table' then return '!' .. redis.call('TYPE', key).ok, nil end
  if count == 0 then return '', nil end
  if count > FIELDS_MAX then return '!' .. count, nil end
  local all = redis.call('HGETALL', key)
  local names, value, bytes = {}, {}, 0
  for at = 1, #all, 2 do
    names[#names + 1] = all[at]
    value[all[at]] = all[at + 1]
    bytes = bytes + #all[at]
  end
  if bytes > NAMES_BYTES_MAX then return '!names', nil end
  table.sort(names, is_before)
  for i, name in ipairs(names) do all[2 * i - 1], all[2 * i] = name, value[name] end
  return redis.sha1hex(table.concat(all, '\0')), all
end

-- One of our own keys, usable: whatever else somebody put there goes.
local function own(key, kind)
  local is = redis.call('TYPE', key).ok
  if is ~= kind and is ~= 'none' then redis.call('DEL', key) end
end

-- The number of a version or of a claim; 0 for what is none: beyond 2^52 a double does not count one by one.
local function counted(text)
  local number = string.match(text or '', '^%d+$') and tonumber(text) or 0
  return number <= 4503599627370496 and number or 0
end
