-- One look at a queue: what was popped, what others put in, and the list as it is to be.
-- KEYS: the list, what we put in last (a set), the popped ones of all queues (a hash: id -> "<deadline in ms> <list>").
-- ARGV: lease in ms, what the hashes of tasks begin with, the most foreign entries told, the most entries looked at,
-- then the ready ids, the first to be popped first.
-- Answer: { { id, ms left, .. } popped, { expired ids }, { foreign entries }, 1 if the list was changed, ms until the
-- next deadline or -1, what is wrong with the list or '' }.
local list, shadow, popped = KEYS[1], KEYS[2], KEYS[3]
local lease, tasks, told_max, entries_max = tonumber(ARGV[1]), ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local now = clock()

own(shadow, 'set')
own(popped, 'hash')
local kind = redis.call('TYPE', list).ok
if kind ~= 'list' and kind ~= 'none' then
  -- Nobody popped anything: when it is a list again, all of it is put there anew.
  redis.call('DEL', shadow)
  return { {}, {}, {}, 0, -1, 'it holds a ' .. kind .. ', not a list' }
end
local count = redis.call('LLEN', list)
if count > entries_max then return { {}, {}, {}, 0, -1, 'it has ' .. count .. ' entries' } end
local ready = {}
for i = 5, #ARGV do ready[ARGV[i]] = true end
local ours = {}
for _, id in ipairs(redis.call('SMEMBERS', shadow)) do ours[id] = true end
local entries, listed = redis.call('LRANGE', list, 0, -1), {}
for _, id in ipairs(entries) do listed[id] = true end

-- Those that are out, of this queue; the deadlines of the others count too. One that is listed again was given back. One
-- that runs and is nobody's is still with whoever popped it.
local function is_nobodys(id)
  local status, holder = unpack(fields_of(tasks .. id, 'status', 'claimed_by'))
  return status == 'running' and (not holder or holder == ''), status
end
local out, unnamed, left, expired, next_end = {}, {}, {}, {}, -1
local all = redis.call('HGETALL', popped)
for i = 1, #all, 2 do
  local id, ends, from = all[i], string.match(all[i + 1], '^(%d+) (.*)$')
  ends = tonumber(ends) or 0
  if from == list or not from then
    local is_unnamed, status = is_nobodys(id)
    local is_out = not listed[id] and ends > now
    if is_out and (ready[id] or is_unnamed) then
      out[id] = ends
      if not ready[id] then unnamed[#unnamed + 1] = id end
    elseif is_unnamed and not listed[id] then
      expired[#expired + 1] = id
    elseif not (is_out and status == 'pending') then
      -- Else another clone knows more of it.
      redis.call('HDEL', popped, id)
      if ready[id] and not listed[id] then expired[#expired + 1] = id end
    end
  elseif ends > now and not listed[id] then
    out[id] = ends
  end
end
for id in pairs(ours) do
  if not listed[id] and not out[id] and (ready[id] or is_nobodys(id)) then
    out[id] = now + lease
    if not ready[id] then unnamed[#unnamed + 1] = id end
    redis.call('HSET', popped, id, string.format('%.0f', out[id]) .. ' ' .. list)
  end
end

local function tell(id)
  left[#left + 1] = id
  left[#left + 1] = string.format('%.0f', out[id] - now)
  if next_end < 0 or out[id] - now < next_end then next_end = out[id] - now end
end
for _, id in ipairs(unnamed) do tell(id) end

-- An id that was never in the list is put there only while its hash still says so.
local desired, is_desired = {}, {}
for i = 5, #ARGV do
  local id = ARGV[i]
  if not out[id] and not is_desired[id] then
    local known = listed[id] or ours[id]
    if known or fields_of(tasks .. id, 'status')[1] == 'pending' then
      desired[#desired + 1] = id
      is_desired[id] = true
    end
  end
  if out[id] then tell(id) end
end

-- What is longer than any task is given cut off, and of very much only the first.
local ENTRY_BYTES_MAX, ALL_BYTES_MAX = 1048577, 8388608
local foreign, told, bytes = {}, {}, 0
for _, id in ipairs(entries) do
  if not ours[id] and not ready[id] then
    foreign[#foreign + 1] = id
    if #told < told_max and bytes < ALL_BYTES_MAX then
      told[#told + 1] = string.sub(id, 1, ENTRY_BYTES_MAX)
      bytes = bytes + #told[#told]
    end
  end
end

-- The tail is popped first.
local whole = {}
for _, id in ipairs(foreign) do whole[#whole + 1] = id end
for i = #desired, 1, -1 do whole[#whole + 1] = desired[i] end
local changed = #whole ~= #entries
for i, id in ipairs(whole) do changed = changed or entries[i] ~= id end
if changed then
  redis.call('DEL', list)
  for i = 1, #whole, 1000 do redis.call('RPUSH', list, unpack(whole, i, math.min(i + 999, #whole))) end
end
local gone = {}
for id in pairs(ours) do if not is_desired[id] then gone[#gone + 1] = id end end
for i = 1, #gone, 1000 do redis.call('SREM', shadow, unpack(gone, i, math.min(i + 999, #gone))) end
local new = {}
for _, id in ipairs(desired) do if not ours[id] then new[#new + 1] = id end end
for i = 1, #new, 1000 do redis.call('SADD', shadow, unpack(new, i, math.min(i + 999, #new))) end
return { left, expired, told, changed and 1 or 0, next_end, '' }
