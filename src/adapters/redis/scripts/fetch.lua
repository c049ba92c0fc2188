-- Documents with everything.
-- KEYS: for each document its hash and its record. ARGV: the most bytes of a hash and of a text, of a hash and its
-- record together, and of all. What of a record is more is left out: then it is none of ours.
-- Answer: for each, or for the first of them if all would be too much, { digest of the hash, its fields (an empty list if it is absent), the fields of the record }, or
-- { digest, what is wrong }.
local most, one_most, all_most, total = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), 0
local FIELDS = { 'rev', 'sum', 'text', 'path', 'wrote', 'by', 'op', 'node', 'from', 'gone' }
local answer = {}
for i = 1, #KEYS, 2 do
  local sum, shown = sum_of(KEYS[i])
  own(KEYS[i + 1], 'hash')
  local size = 0
  for _, part in ipairs(shown or {}) do size = size + #part end
  local is_large, hash_size = size > most, size
  -- Only what is ours: whatever else stands there is nobody's.
  local record = {}
  for j, value in ipairs(redis.call('HMGET', KEYS[i + 1], unpack(FIELDS))) do
    local is_fit = value and #value <= (FIELDS[j] == 'text' and most or one_most) and size + #value <= one_most
    if value and (is_fit or FIELDS[j] == 'rev') then
      size = size + #value
      record[#record + 1] = FIELDS[j]
      record[#record + 1] = value
    end
  end
  local one
  if sum == '!names' then
    one = { sum, 'the names of its fields are too long' }
  elseif string.sub(sum, 1, 1) == '!' then
    one = { sum, tonumber(string.sub(sum, 2)) and 'its hash has ' .. string.sub(sum, 2) .. ' fields'
      or 'its key holds a ' .. string.sub(sum, 2) .. ', not a hash' }
  elseif is_large then
    one = { sum, 'it has ' .. hash_size .. ' bytes' }
  else
    one = { sum, shown or {}, record }
  end
  if not is_large then total = total + size end
  if total > all_most and i > 1 then break end
  answer[#answer + 1] = one
end
return answer
