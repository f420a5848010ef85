-- Grants slots of one pool to one lane of one drain: how many calls it may start within the next moments, and when.
-- It never rejects: what it cannot grant now it answers with the time to come back. All time is this server's.
--
-- KEYS[1]   prefix of all keys of the limiter
-- ARGV[1]   JSON: {n, horizon_ms, guard_ms, beat_ttl_ms, drain, nonce, requests = [{scope, amount, window_ms,
--           cold_wait_ms}], in_flight = [{scope, amount, mine}], cool = [scope]}
-- returns   {retry_in_ms, delay_ms of slot 1, delay_ms of slot 2, …}; slot k is logged under the member nonce:k
--
-- A log of granted instants per scope is a sorted set, at most `amount` long within the window. Instants only grow,
-- so a new one may be given as soon as the amount-th latest is a whole window (and the guard) in the past.
local ask = cjson.decode(ARGV[1])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local prefix = KEYS[1]
local day_ms = 86400000

local function in_flight_room()
  local room = ask.n
  for _, limit in ipairs(ask.in_flight) do
    local counts, beats = prefix .. 'inflight:' .. limit.scope, prefix .. 'beats:' .. limit.scope
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
    room = math.min(room, limit.amount - used)
  end
  return math.max(room, 0)
end

-- A scope that Redis does not know (it was emptied, or is new) waits out what calls before may have used.
local function not_before()
  local earliest = now
  for _, limit in ipairs(ask.requests) do
    local known = prefix .. 'since:' .. limit.scope
    if redis.call('SET', known, now + limit.cold_wait_ms, 'NX', 'PX', day_ms) == false then
      redis.call('PEXPIRE', known, day_ms)
    end
    earliest = math.max(earliest, tonumber(redis.call('GET', known)))
    redis.call('ZREMRANGEBYSCORE', prefix .. 'log:' .. limit.scope, '-inf', now - limit.window_ms - ask.guard_ms)
  end
  for _, scope in ipairs(ask.cool) do
    local left = redis.call('PTTL', prefix .. 'cool:' .. scope)
    if left > 0 then earliest = math.max(earliest, now + left) end
  end
  return earliest
end

local function next_instant(earliest)
  local instant = earliest
  for _, limit in ipairs(ask.requests) do
    local log = prefix .. 'log:' .. limit.scope
    local last = redis.call('ZRANGE', log, -1, -1, 'WITHSCORES')
    if last[2] then instant = math.max(instant, tonumber(last[2])) end
    local blocking = redis.call('ZRANGE', log, -limit.amount, -limit.amount, 'WITHSCORES')
    if blocking[2] then instant = math.max(instant, tonumber(blocking[2]) + limit.window_ms + ask.guard_ms) end
  end
  return instant
end

local room = in_flight_room()
local earliest = not_before()
local answer = {0}
if room == 0 then
  answer[1] = -1
  return answer
end
for k = 1, room do
  local instant = next_instant(earliest)
  if instant > now + ask.horizon_ms then
    answer[1] = instant - now
    break
  end
  for _, limit in ipairs(ask.requests) do
    local log = prefix .. 'log:' .. limit.scope
    redis.call('ZADD', log, instant, ask.nonce .. ':' .. k)
    redis.call('PEXPIRE', log, limit.window_ms + ask.guard_ms + ask.horizon_ms)
  end
  answer[#answer + 1] = instant - now
end
if #answer > 1 then
  for _, limit in ipairs(ask.in_flight) do
    redis.call('HSET', prefix .. 'inflight:' .. limit.scope, ask.drain, limit.mine + #answer - 1)
  end
end
return answer
