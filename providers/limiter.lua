-- Grants slots to one lane of one drain: how many calls it may start within the next moments, when and with which key.
-- It never rejects: what it cannot grant now it answers with the time to come back. All time is this server's.
--
-- KEYS[1]  prefix of all keys of the limiter
-- ARGV[1]  JSON, written and described by providers/limiter.py (`_question`)
-- returns  JSON {retry_in_ms (-1: calls must end first), slots = [[pool, key, delay_ms, at_ms, gate, is_probe], …],
--          seed = [[pool, limit], …], n_failures}; slot k stands in the logs under the member `nonce:k`
--
-- A rolling limit is a log of granted instants with what each call uses; the sum over the log is kept beside it.
-- A call may start at t when all that stands later than t - window - guard leaves room for it: then no window that
-- holds t is over its limit, whatever order the grants were made in. What is counted at completion stands at
-- its latest end until it is settled. A calendar limit is one count per period, and no call starts
-- within the guard of a period's end.
local ask = cjson.decode(ARGV[1])
local time = redis.call('TIME')
local now = ask.now_ms or (tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000))
local prefix, guard, never = KEYS[1], ask.guard_ms, math.huge
local day_ms = 86400000

local function name(kind, limit) return prefix .. kind .. ':' .. limit.key end

local function weight(limit, tokens)
  if limit.what == 'requests' then return 1 end
  if limit.what == 'input_tokens' then return tokens[1] end
  if limit.what == 'output_tokens' then return tokens[2] end
  return tokens[1] + tokens[2]
end

local function known_weight(limit, member)
  return tonumber(redis.call('HGET', name('weight', limit), member) or '1')
end

local function set_weight(limit, member, amount)
  if amount ~= 1 then redis.call('HSET', name('weight', limit), member, amount)
  else redis.call('HDEL', name('weight', limit), member) end
end

local function add_to_sum(limit, amount)
  if redis.call('EXISTS', name('sum', limit)) == 1 then redis.call('INCRBY', name('sum', limit), amount) end
end

local function period_of(limit, at)
  local start, stop = limit.starts[1], nil
  for _, instant in ipairs(limit.starts) do
    if instant <= at then start = instant elseif not stop then stop = instant end
  end
  return start, stop or never
end

-- A gate lets one probe through: of a key, a pool, a pair or a circuit; it opens again when the probe must have ended.
local function gate_is_free(gate)
  return tonumber(redis.call('GET', prefix .. 'gate:' .. gate) or '0') <= now
end

local function gate_take(gate)
  redis.call('SET', prefix .. 'gate:' .. gate, now + ask.hold_ms, 'PX', ask.hold_ms + 5000)
end

-- The probe has ended: by then every drain has read what it found out.
local function gate_ends_soon(gate)
  local soon = now + ask.facts_seen_ms
  if tonumber(redis.call('GET', prefix .. 'gate:' .. gate) or '0') > soon then
    redis.call('SET', prefix .. 'gate:' .. gate, soon, 'PX', ask.facts_seen_ms + 5000)
  end
end

-- What a call really used, or (`after` is absent) a slot that comes back: {member, at_ms, before, after, gates, is_open}
local function settle_in_window(limit, call, is_back)
  local log = name('log', limit)
  if not redis.call('ZSCORE', log, call.member) then return end
  local old = known_weight(limit, call.member)
  if is_back then
    redis.call('ZREM', log, call.member)
    redis.call('HDEL', name('weight', limit), call.member)
    add_to_sum(limit, -old)
    return
  end
  if limit.at_completion and not call.is_open then redis.call('ZADD', log, now, call.member) end
  local new = weight(limit, call.after)
  if new ~= old then
    set_weight(limit, call.member, new)
    add_to_sum(limit, new - old)
  end
end

local function settle(limits, call)
  local is_back = not call.after
  for _, limit in ipairs(limits) do
    if limit.kind == 'window' then
      settle_in_window(limit, call, is_back)
    elseif limit.kind == 'calendar' then
      local count = name('count', limit) .. ':' .. (period_of(limit, call.at_ms))
      local delta = (is_back and 0 or weight(limit, call.after)) - weight(limit, call.before)
      if delta ~= 0 and redis.call('EXISTS', count) == 1 then redis.call('INCRBY', count, delta) end
    end
  end
  for _, gate in ipairs(call.gates) do
    if is_back then redis.call('DEL', prefix .. 'gate:' .. gate)
    elseif not call.is_open then gate_ends_soon(gate) end
  end
end

-- The circuit of a model: opens after so many failures in a row, then lets one probe through at a time.
local function circuit_open(circuit, n_opens)
  local pause = math.min(ask.circuit_pause_ms * 2 ^ (n_opens - 1), ask.circuit_pause_cap_ms)
  redis.call('HSET', circuit, 'opens', n_opens, 'until', now + pause, 'failures', 0)
end

local function circuit_note(model, note)
  local circuit, probe = prefix .. 'circuit:' .. model, prefix .. 'gate:circuit:' .. model
  if note == 'ok' then redis.call('DEL', circuit, probe) return end
  local n_opens = tonumber(redis.call('HGET', circuit, 'opens') or '0')
  if note == 'probe_failed' then
    circuit_open(circuit, n_opens + 1)
    redis.call('DEL', probe)
  elseif n_opens == 0 then
    local last = tonumber(redis.call('HGET', circuit, 'at') or '0')
    if now - last > ask.circuit_within_ms then redis.call('HSET', circuit, 'failures', 0) end
    redis.call('HSET', circuit, 'at', now)
    if redis.call('HINCRBY', circuit, 'failures', 1) >= ask.circuit_failures then circuit_open(circuit, 1) end
  end
  redis.call('PEXPIRE', circuit, day_ms)
end

local function in_flight_room(limit)
  local counts, beats = name('inflight', limit), name('beats', limit)
  redis.call('HSET', counts, ask.drain, limit.mine)
  redis.call('ZADD', beats, now + ask.beat_ttl_ms, ask.drain)
  for _, gone in ipairs(redis.call('ZRANGEBYSCORE', beats, '-inf', now)) do
    redis.call('ZREM', beats, gone)
    redis.call('HDEL', counts, gone)
  end
  redis.call('PEXPIRE', counts, day_ms)
  redis.call('PEXPIRE', beats, day_ms)
  local used = 0
  for _, count in ipairs(redis.call('HVALS', counts)) do used = used + tonumber(count) end
  return limit.amount - used
end

-- A limit that Redis does not know (it was emptied, or the limit is new) waits out what calls before may have used.
local function known_since(limit)
  local since, ttl = name('since', limit), math.max(day_ms, 2 * (limit.window_ms or 0))
  if redis.call('SET', since, now + limit.cold_wait_ms, 'NX', 'PX', ttl) == false then
    redis.call('PEXPIRE', since, ttl)
  end
  return tonumber(redis.call('GET', since))
end

-- Counts too long to be waited out come from the record of usage: asked for once, when nothing is known.
local function is_seeded(limit)
  if not limit.seeds then return true end
  local mark = name('seeded', limit) .. ':' .. (limit.kind == 'calendar' and period_of(limit, now) or '')
  if redis.call('EXISTS', mark) == 1 then return true end
  if not limit.seed then return false end
  redis.call('SET', mark, 1, 'PX', limit.ttl_ms)
  for _, used in ipairs(limit.seed) do
    if limit.kind == 'calendar' then
      redis.call('SET', name('count', limit) .. ':' .. (period_of(limit, now)), used[2], 'PX', limit.ttl_ms)
    else
      redis.call('ZADD', name('log', limit), used[1], 'seed:' .. used[1])
      set_weight(limit, 'seed:' .. used[1], used[2])
      redis.call('INCRBY', name('sum', limit), used[2])
    end
  end
  return true
end

local function load_window(limit)
  local log, weights = name('log', limit), name('weight', limit)
  local used = tonumber(redis.call('GET', name('sum', limit)) or '0')
  repeat
    local gone = redis.call('ZRANGEBYSCORE', log, '-inf', now - limit.window_ms - guard, 'LIMIT', 0, 1000)
    if #gone > 0 then
      local held = redis.call('HMGET', weights, unpack(gone))
      for i = 1, #gone do used = used - tonumber(held[i] or '1') end
      redis.call('ZREM', log, unpack(gone))
      redis.call('HDEL', weights, unpack(gone))
    end
  until #gone == 0
  limit.used = redis.call('EXISTS', log) == 1 and used or 0
  limit.n_let_go, limit.let_go, limit.free_at = 0, 0, now
end

local function free_in_window(limit, at)
  while limit.used - limit.let_go + limit.weight > limit.amount do
    local oldest = redis.call('ZRANGE', name('log', limit), limit.n_let_go, limit.n_let_go, 'WITHSCORES')
    if not oldest[1] then break end
    limit.n_let_go = limit.n_let_go + 1
    limit.let_go = limit.let_go + known_weight(limit, oldest[1])
    limit.free_at = tonumber(oldest[2]) + limit.window_ms + guard
  end
  return math.max(at, limit.free_at)
end

local function free_in_calendar(limit, at)
  for _ = 1, #limit.starts do
    local start, stop = period_of(limit, at)
    if start > limit.starts[1] then at = math.max(at, start + guard) end
    limit.counts[start] = limit.counts[start] or tonumber(redis.call('GET', name('count', limit) .. ':' .. start) or '0')
    if at <= stop - guard and limit.counts[start] + limit.weight <= limit.amount then return at end
    if stop == never then return never end
    at = stop + guard
  end
  return at
end

local function next_instant(pool)
  local at, before = pool.earliest, nil
  repeat
    before = at
    for _, limit in ipairs(pool.limits) do
      if limit.kind == 'window' then at = free_in_window(limit, at)
      elseif limit.kind == 'calendar' then at = free_in_calendar(limit, at) end
    end
  until at == before or at == never
  return at
end

local function prepare_keys(pool)
  pool.order, pool.free_probes = {}, {}
  for _, key in ipairs(pool.keys) do
    pool.order[#pool.order + 1] = {key, tonumber(redis.call('ZSCORE', prefix .. 'turns:' .. pool.id, key) or '0')}
  end
  table.sort(pool.order, function(a, b) return a[2] < b[2] or (a[2] == b[2] and a[1] < b[1]) end)
  for _, probe in ipairs(pool.probes) do
    if gate_is_free(probe.gate) then pool.free_probes[#pool.free_probes + 1] = probe end
  end
end

local function prepare(pool, index, unseeded)
  pool.index, pool.earliest, pool.room = index, now, ask.n
  prepare_keys(pool)
  if #pool.order == 0 then pool.room = math.min(pool.room, #pool.free_probes) end
  for i, limit in ipairs(pool.limits) do
    limit.weight = math.min(weight(limit, ask.tokens), limit.amount)
    local since = known_since(limit)
    pool.earliest = math.max(pool.earliest, since)
    if limit.kind == 'in_flight' then
      pool.room = math.min(pool.room, in_flight_room(limit))
    elseif since <= now and not is_seeded(limit) then
      unseeded[#unseeded + 1] = {index, i}
      pool.earliest = never
    end
    if limit.kind == 'window' then load_window(limit) else limit.counts = {} end
  end
  for _, scope in ipairs(pool.cool) do
    pool.earliest = math.max(pool.earliest, tonumber(redis.call('GET', prefix .. 'cool:' .. scope) or '0'))
  end
end

local function take_key(pool)
  local probe = table.remove(pool.free_probes, 1)
  while probe and not gate_is_free(probe.gate) do probe = table.remove(pool.free_probes, 1) end
  local turn = redis.call('INCR', prefix .. 'turn')
  if probe then
    gate_take(probe.gate)
    return probe.key, probe.gate
  end
  local first = table.remove(pool.order, 1)
  if not first then return nil end
  pool.order[#pool.order + 1] = {first[1], turn}
  redis.call('ZADD', prefix .. 'turns:' .. pool.id, turn, first[1])
  return first[1], ''
end

local function take(pool, at, member)
  for _, limit in ipairs(pool.limits) do
    if limit.kind == 'window' then
      redis.call('ZADD', name('log', limit), limit.at_completion and at + ask.hold_ms or at, member)
      set_weight(limit, member, limit.weight)
      limit.used = limit.used + limit.weight
    elseif limit.kind == 'calendar' then
      local start = period_of(limit, at)
      limit.counts[start] = (limit.counts[start] or 0) + limit.weight
      redis.call('SET', name('count', limit) .. ':' .. start, limit.counts[start], 'PX', limit.ttl_ms)
    else
      redis.call('HINCRBY', name('inflight', limit), ask.drain, 1)
    end
  end
  pool.room = pool.room - 1
end

local function keep(pool)
  for _, limit in ipairs(pool.limits) do
    if limit.kind == 'window' then
      redis.call('SET', name('sum', limit), limit.used)
      for _, kind in ipairs({'log', 'weight', 'sum'}) do redis.call('PEXPIRE', name(kind, limit), limit.ttl_ms) end
    end
  end
  redis.call('PEXPIRE', prefix .. 'turns:' .. pool.id, day_ms)
end

-- The pool whose next slot is free earliest; of equals the one whose key has rested longest.
local function best_pool()
  local best
  for _, pool in ipairs(ask.pools) do
    if pool.room > 0 then
      local at = next_instant(pool)
      local rested = #pool.free_probes > 0 and -1 or (pool.order[1] and pool.order[1][2] or 0)
      if not best or at < best.at or (at == best.at and rested < best.rested) then
        best = {pool = pool, at = at, rested = rested}
      end
    end
  end
  return best
end

local function slots_take(answer, is_probe)
  for k = 1, ask.n do
    local best = best_pool()
    if not best then answer.retry_in_ms = -1 return end
    if best.at > now + ask.horizon_ms then
      answer.retry_in_ms = best.at == never and 0 or best.at - now
      return
    end
    local key, gate = take_key(best.pool)
    if not key then answer.retry_in_ms = -1 return end
    take(best.pool, best.at, ask.nonce .. ':' .. k)
    answer.slots[k] = {best.pool.index, key, best.at - now, best.at, gate, is_probe}
  end
end

-- Returns how many slots the circuit allows, and when to come back if it allows none.
local function circuit_room()
  if not ask.model then return ask.n, 0 end
  local circuit = prefix .. 'circuit:' .. ask.model
  if redis.call('HEXISTS', circuit, 'opens') == 0 then return ask.n, 0 end
  local wait = tonumber(redis.call('HGET', circuit, 'until')) - now
  if wait > 0 then return 0, wait end
  local left = tonumber(redis.call('GET', prefix .. 'gate:circuit:' .. ask.model) or '0') - now
  if left > 0 then return 0, left end
  return math.min(ask.n, 1), 0
end

for _, group in ipairs(ask.settled) do
  for _, call in ipairs(group.calls) do settle(group.limits, call) end
end
for _, note in ipairs(ask.notes) do circuit_note(note[1], note[2]) end
for _, cooling in ipairs(ask.cooling) do
  local cool = prefix .. 'cool:' .. cooling[1]
  if now + cooling[2] > tonumber(redis.call('GET', cool) or '0') then
    redis.call('SET', cool, now + cooling[2], 'PX', cooling[2] + 1000)
  end
end
local answer, unseeded = {retry_in_ms = 0, slots = {}, n_failures = 0, is_open = 0}, {}
local room, wait = circuit_room()
if ask.model then
  answer.n_failures = tonumber(redis.call('HGET', prefix .. 'circuit:' .. ask.model, 'failures') or '0')
  answer.is_open = redis.call('HEXISTS', prefix .. 'circuit:' .. ask.model, 'opens')
end
if room == 0 and ask.n > 0 then answer.retry_in_ms = wait end
ask.n = room
for index, pool in ipairs(ask.pools) do prepare(pool, index, unseeded) end
slots_take(answer, answer.is_open)
if #answer.slots > 0 and answer.is_open == 1 then
  gate_take('circuit:' .. ask.model)
end
for _, pool in ipairs(ask.pools) do keep(pool) end
answer.seed = unseeded
return cjson.encode(answer)
