-- How documents stand, without their texts.
-- KEYS: for each document its hash and its record.
-- Answer: for each { revision, digest of the text, is shown, is touched, how it went, digest of the hash }.
local answer = {}
for i = 1, #KEYS, 2 do
  local rev, digest, gone, wrote = unpack(fields_of(KEYS[i + 1], 'rev', 'digest', 'gone', 'sum'))
  local sum = sum_of(KEYS[i])
  local touched = sum ~= '' and sum ~= wrote
  answer[#answer + 1] = { rev or '0', digest or '', sum ~= '' and 1 or 0, touched and 1 or 0, gone or '', sum }
end
return answer
