-- Writes versions of documents, each only if the server still is as it was looked at.
-- KEYS: for each document its hash and its record.
-- ARGV, for each: 1 the version expected, 2 the digest of the hash as seen, 3 the new version, 4 ttl in ms ('' for ever),
-- 5 how it went ('' if it is there), 6 text, 7 path, 8 fields as JSON, 9 by, 10 operation, 11 node, 12 from, 13 status,
-- 14 claimed by, 15 fence, 16 lease in ms, 17 how many parts the hash has (-1: none is to be there), then those.
-- Answer: for each 'written', 'same' or 'conflict'.
local GONE_MS = 30 * 24 * 3600 * 1000
local now = clock()

-- Who has the task, by its file; what the record knows better stays. Gives holder, fence and end, or nothing.
local function claim(known, known_holder, known_until, gone, status, holder, fence, lease)
  fence = tonumber(fence) or 0
  known = known and counted(known)
  if fence < (known or 0) or (fence == 0 and not known and holder == '') then return end
  local ends = 0
  if gone == '' and status == 'running' and holder ~= '' then
    ends = now + tonumber(lease)
    if known_holder == holder and known == fence then
      ends = math.max(ends, tonumber(known_until) or 0)
    end
  else
    holder = ''
  end
  return holder, string.format('%.0f', fence), string.format('%.0f', ends)
end

local function write(hash, record, at, parts)
  local expected, seen, revision, ttl, gone, text, path, wrote, by, op, node, from = unpack(ARGV, at, at + 11)
  local is_shown = tonumber(ARGV[at + 16]) >= 0
  local has_text = gone == '' or text ~= ''
  local digest = has_text and redis.sha1hex(text) or ''
  local rev, old_digest, old_gone, old_wrote, old_sum, old_path, fence, holder, ends =
    unpack(fields_of(record, 'rev', 'digest', 'gone', 'wrote', 'sum', 'path', 'fence', 'holder', 'until'))
  local current = counted(rev)
  local sum = sum_of(hash)
  if old_digest == digest and old_gone == gone and old_path == path and old_wrote == wrote and old_sum == sum
    and is_shown == (sum ~= '') then
    if ttl ~= '' and is_shown then redis.call('PEXPIRE', hash, ttl) end
    return 'same'
  end
  if current ~= tonumber(expected) or tonumber(revision) <= current then return 'conflict' end
  if sum ~= '' and sum ~= old_sum and sum ~= seen then return 'conflict' end
  if not rev and redis.call('TYPE', record).ok ~= 'hash' then redis.call('DEL', record) end
  -- The record first: if the server is full, this fails before anything is lost.
  local fields = { 'rev', revision, 'digest', digest, 'path', path, 'wrote', wrote, 'by', by, 'op', op, 'node', node,
    'from', from, 'gone', gone }
  -- What goes to the archive keeps its last text there: an edit may have come on the way.
  if has_text then
    fields[#fields + 1] = 'text'
    fields[#fields + 1] = text
  end
  local new_holder, new_fence, new_end =
    claim(fence, holder, ends, gone, ARGV[at + 12], ARGV[at + 13], ARGV[at + 14], ARGV[at + 15])
  if new_holder then
    for _, part in ipairs({ 'holder', new_holder, 'fence', new_fence, 'until', new_end }) do
      fields[#fields + 1] = part
    end
  end
  redis.call('HSET', record, unpack(fields))
  if sum ~= '' then redis.call('DEL', hash) end
  if is_shown then
    redis.call('HSET', hash, unpack(parts))
    if ttl ~= '' then redis.call('PEXPIRE', hash, ttl) end
  end
  redis.call('HSET', record, 'sum', (sum_of(hash)))
  if not has_text then redis.call('HDEL', record, 'text') end
  if gone ~= '' then
    redis.call('PEXPIRE', record, GONE_MS)
  elseif old_gone and old_gone ~= '' then
    redis.call('PERSIST', record)
  end
  return 'written'
end

local answer = {}
local at = 1
for i = 1, #KEYS, 2 do
  local count = math.max(tonumber(ARGV[at + 16]), 0)
  local parts = {}
  for j = 1, count do parts[j] = ARGV[at + 16 + j] end
  answer[#answer + 1] = write(KEYS[i], KEYS[i + 1], at, parts)
  at = at + 17 + count
end
return answer
