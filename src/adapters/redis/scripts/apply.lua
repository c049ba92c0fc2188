-- Writes versions of documents, each only if the server still is as it was looked at.
-- KEYS: for each document its hash and its record.
-- ARGV, for each: 1 the version expected, 2 the digest of the hash as seen, 3 the new version, 4 ttl in ms ('' for ever),
-- 5 how it went ('' if it is there), 6 text, 7 its digest ('' for no text), 8 path, 9 fields as JSON, 10 by, 11 operation,
-- 12 node, 13 from, 14 status, 15 claimed by, 16 fence, 17 lease in ms, 18 the digest of the new hash, 19 how many parts the
-- hash has (-1: none is to be there), then those.
-- Answer: for each 'written', 'same' or 'conflict'.
local GONE_MS = 30 * 24 * 3600 * 1000
local HEAD = 19
local call = redis.call
local now

-- Who has the task, by its file; what the record knows better stays. What the holder writes renews the lease, what
-- others write does not. Gives holder, fence and end, or nothing.
local function claim(known, known_holder, known_until, gone, status, holder, fence, lease, by)
  fence = tonumber(fence) or 0
  known = known and counted(known)
  if fence < (known or 0) or (fence == 0 and not known and holder == '') then return end
  local ends = 0
  if gone == '' and status == 'running' and holder ~= '' then
    local is_known = known_holder == holder and known == fence and tonumber(known_until)
    if is_known then ends = tonumber(known_until) end
    if not is_known or by == holder then
      now = now or clock()
      ends = math.max(ends, now + tonumber(lease))
    end
  else
    holder = ''
  end
  return holder, string.format('%.0f', fence), string.format('%.0f', ends)
end

-- Whether a hash has no field but these.
local function has_these(fields, at, count)
  if #fields ~= count then return false end
  local is = {}
  for i = at, at + count - 1, 2 do is[ARGV[i]] = true end
  for i = 1, count, 2 do
    if not is[fields[i]] then return false end
  end
  return true
end

local function write(hash, record, at)
  local expected, seen, revision, ttl, gone, text, digest, path, wrote, by, op, node, from, status, claimed_by, its_fence,
    lease, new_sum, count = unpack(ARGV, at, at + HEAD - 1)
  count = tonumber(count)
  local is_shown = count >= 0
  local rev, old_digest, old_gone, old_wrote, old_sum, old_path, fence, holder, ends =
    unpack(fields_of(record, 'rev', 'digest', 'gone', 'wrote', 'sum', 'path', 'fence', 'holder', 'until'))
  local current = counted(rev)
  local sum, shown = sum_of(hash)
  if old_digest == digest and old_gone == gone and old_path == path and old_wrote == wrote and old_sum == sum
    and is_shown == (sum ~= '') then
    if ttl ~= '' and is_shown then call('PEXPIRE', hash, ttl) end
    return 'same'
  end
  if current ~= tonumber(expected) or tonumber(revision) <= current then return 'conflict' end
  if sum ~= '' and sum ~= old_sum and sum ~= seen then return 'conflict' end
  if not rev and call('TYPE', record).ok ~= 'hash' then call('DEL', record) end
  -- The record first: if the server is full, this fails before anything is lost.
  local new_holder, new_fence, new_end = claim(fence, holder, ends, gone, status, claimed_by, its_fence, lease,
    by)
  if new_holder then
    call('HSET', record, 'holder', new_holder, 'fence', new_fence, 'until', new_end)
  end
  -- What goes to the archive keeps its last text there: an edit may have come on the way.
  if digest ~= '' then
    call('HSET', record, 'rev', revision, 'digest', digest, 'path', path, 'wrote', wrote, 'by', by, 'op', op, 'node', node,
      'from', from, 'gone', gone, 'sum', new_sum, 'text', text)
  else
    call('HSET', record, 'rev', revision, 'digest', '', 'path', path, 'wrote', wrote, 'by', by, 'op', op, 'node', node,
      'from', from, 'gone', gone, 'sum', new_sum)
    call('HDEL', record, 'text')
  end
  local first = at + HEAD
  if sum ~= '' and not (is_shown and ttl ~= '' and shown and has_these(shown, first, count)) then call('DEL', hash) end
  if is_shown then
    call('HSET', hash, unpack(ARGV, first, first + count - 1))
    if ttl ~= '' then call('PEXPIRE', hash, ttl) end
  end
  if gone ~= '' then
    call('PEXPIRE', record, GONE_MS)
  elseif old_gone and old_gone ~= '' then
    call('PERSIST', record)
  end
  return 'written'
end

local answer = {}
local at = 1
for i = 1, #KEYS, 2 do
  answer[#answer + 1] = write(KEYS[i], KEYS[i + 1], at)
  at = at + HEAD + math.max(tonumber(ARGV[at + HEAD - 1]), 0)
end
return answer
