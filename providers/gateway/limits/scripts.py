"""What Redis runs: the same counting as `memory`, for any number of requests in one round trip.

ARGV are JSON objects; each is answered with JSON, in order:

{"op": "admit", "prefix", "now"?, "lease", "lease_s", "demands": [{"name", "rpm"?, "tpm"?,
"max_parallel"?, "tokens", "holds_place", "cost", "budgets": [{"name", "limit", "known",
"keep_s"}]}]} with {"second", "uses": [[requests, reset, tokens, reset]], "refused"?: [holder,
reason, wait, budget, spent, reserved]}, places counted from 0;
{"op": "settle", "prefix", "now"?, "lease", "settlements": [{"name", "second", "tokens",
"budgets": [name], "cost"}]} and {"op": "renew", "prefix", "now"?, "lease_s", "leases": [[holder,
lease]]} with {}.

A holder has up to four keys: ":requests" and ":tokens" are hashes of a second to its amount, and of
"<second>t" to the moment of the last of it; ":calls" holds the leases of running calls by when they
end; ":held" what is reserved for each of them, and their "sum". Each budget has one for what is
spent.

Money is text: JSON numbers lose digits here. Names of keys are made from a holder's name, so this
is for one Redis and not for a cluster. Time is Redis' own, which every process shares, unless the
request brings one.
"""

COUNT = """
local WINDOW = 60
local now = 0
local run = {}

local function whole(number) return string.format('%.0f', number) end

local function window(key)
  local flat = redis.call('HGETALL', key)
  local found, old, last = {total = 0, newest = nil, rows = {}}, {}, {}
  for i = 1, #flat, 2 do last[flat[i]] = flat[i + 1] end
  for second, amount in pairs(last) do
    if tonumber(second) then
      local at = tonumber(last[second .. 't'] or second + 1)
      if at + WINDOW <= now then
        old[#old + 1] = second
        old[#old + 1] = second .. 't'
      else
        found.total = found.total + tonumber(amount)
        found.rows[#found.rows + 1] = {at, tonumber(amount)}
        found.newest = math.max(found.newest or at, at)
      end
    end
  end
  if #old > 0 then redis.call('HDEL', key, unpack(old)) end
  return found
end

local function ends_in(at)
  return math.min(WINDOW, math.max(1, math.ceil(at + WINDOW - now)))
end

local function wait(found, amount, limit)
  if amount > limit then return 0 end
  table.sort(found.rows, function(a, b) return a[1] < b[1] end)
  local left = found.total
  for _, row in ipairs(found.rows) do
    left = left - row[2]
    if left + amount <= limit then
      return ends_in(row[1])
    end
  end
  return WINDOW
end

local function add(key, found, amount)
  local second = whole(math.floor(now))
  redis.call('HINCRBY', key, second, amount)
  redis.call('HSET', key, second .. 't', string.format('%.17g', now))
  redis.call('EXPIRE', key, 2 * WINDOW)
  found.total = found.total + amount
  found.newest = now
end

local function reset(found)
  return found.newest and ends_in(found.newest) or 0
end

local function free(base, lease)
  redis.call('ZREM', base .. ':calls', lease)
  local cost = redis.call('HGET', base .. ':held', lease)
  if cost then
    redis.call('HDEL', base .. ':held', lease)
    redis.call('HINCRBY', base .. ':held', 'sum', '-' .. cost)
  end
end

local function take(base, request, cost)
  redis.call('ZADD', base .. ':calls', now + request.lease_s, request.lease)
  redis.call('EXPIRE', base .. ':calls', 2 * request.lease_s)
  if cost ~= '0' then
    redis.call('HSET', base .. ':held', request.lease, cost)
    redis.call('HINCRBY', base .. ':held', 'sum', cost)
    redis.call('EXPIRE', base .. ':held', 2 * request.lease_s)
  end
end

-- What running calls hold is forgotten with the process that died.
local function forget(base)
  for _, lease in ipairs(redis.call('ZRANGEBYSCORE', base .. ':calls', '-inf', now)) do
    free(base, lease)
  end
end

function run.admit(request)
  local refused = nil
  local function refuse(place, reason, seconds, budget, spent, held)
    if not refused then
      refused = {
        place - 1, reason, seconds, (budget or 1) - 1, whole(spent or 0), whole(held or 0)
      }
    end
  end

  local seen = {}
  for place, demand in ipairs(request.demands) do
    local base = request.prefix .. demand.name
    local one = {requests = {total = 0}, tokens = {total = 0}}
    seen[place] = one
    if demand.holds_place then forget(base) end
    local held = #demand.budgets > 0 and redis.call('HGET', base .. ':held', 'sum') or 0
    local cost = tonumber(demand.cost)
    held = tonumber(held)
    for index, budget in ipairs(demand.budgets) do
      local key = request.prefix .. budget.name
      local known, limit = tonumber(budget.known), tonumber(budget.limit)
      local spent = tonumber(redis.call('GET', key) or '-1')
      if known > spent then
        spent = known
        redis.call('SET', key, whole(spent), 'EX', budget.keep_s)
      end
      if spent >= limit then
        refuse(place, 'budget', 0, index, spent)
      elseif held > 0 and cost > 0 and spent + held + cost > limit then
        refuse(place, 'reserved', 1, index, spent, held)
      end
    end
    if demand.max_parallel then
      if redis.call('ZCARD', base .. ':calls') >= demand.max_parallel then
        refuse(place, 'parallel', 1)
      end
    end
    if demand.rpm then
      one.requests = window(base .. ':requests')
      if one.requests.total >= demand.rpm then
        refuse(place, 'requests', wait(one.requests, 1, demand.rpm))
      end
    end
    if demand.tpm then
      one.tokens = window(base .. ':tokens')
      if one.tokens.total + demand.tokens > demand.tpm then
        refuse(place, 'tokens', wait(one.tokens, demand.tokens, demand.tpm))
      end
    end
  end

  local uses = {}
  for place, demand in ipairs(request.demands) do
    local base, one = request.prefix .. demand.name, seen[place]
    if not refused then
      if demand.rpm then add(base .. ':requests', one.requests, 1) end
      if demand.tpm then add(base .. ':tokens', one.tokens, demand.tokens) end
      if demand.holds_place then take(base, request, demand.cost) end
    end
    uses[place] = {one.requests.total, reset(one.requests), one.tokens.total, reset(one.tokens)}
  end
  return cjson.encode({second = math.floor(now), uses = uses, refused = refused})
end

function run.settle(request)
  for _, each in ipairs(request.settlements) do
    local base = request.prefix .. each.name
    free(base, request.lease)
    local second = whole(each.second)
    -- A second that is no part of the minute any more stays forgotten.
    if each.tokens ~= 0 and redis.call('HEXISTS', base .. ':tokens', second) == 1 then
      redis.call('HINCRBY', base .. ':tokens', second, each.tokens)
    end
    for _, name in ipairs(each.budgets) do
      local key = request.prefix .. name
      if redis.call('EXISTS', key) == 1 then redis.call('INCRBY', key, each.cost) end
    end
  end
  return '{}'
end

function run.renew(request)
  for _, each in ipairs(request.leases) do
    local base = request.prefix .. each[1]
    redis.call('ZADD', base .. ':calls', now + request.lease_s, each[2])
    redis.call('EXPIRE', base .. ':calls', 2 * request.lease_s)
    redis.call('EXPIRE', base .. ':held', 2 * request.lease_s)
  end
  return '{}'
end

local time = redis.call('TIME')
local answers = {}
for place, text in ipairs(ARGV) do
  local request = cjson.decode(text)
  now = request.now or (time[1] + time[2] / 1000000)
  answers[place] = run[request.op](request)
end
return answers
"""
