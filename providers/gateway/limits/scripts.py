"""What Redis runs: the same counting as `memory`, for any number of requests in one round trip.

ARGV are JSON objects; each is answered with JSON, in order:

{"op": "admit", "prefix", "now"?, "lease", "lease_s", "demands": [{"name", "rpm"?, "tpm"?,
"max_parallel"?, "tokens", "budgets": [{"name", "limit", "known", "keep_s"}]}]} with
{"second", "uses": [[requests, reset, tokens, reset]], "refused"?: [holder, reason, wait, budget,
spent]}, places counted from 0;
{"op": "settle", "prefix", "now"?, "lease", "settlements": [{"name", "second", "tokens",
"budgets": [name], "cost"}]} and {"op": "renew", "prefix", "now"?, "lease_s", "leases": [[holder,
lease]]} with {}.

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
  local found, old = {total = 0, newest = nil, rows = {}}, {}
  for i = 1, #flat, 2 do
    local second, amount = tonumber(flat[i]), tonumber(flat[i + 1])
    if second + 1 + WINDOW <= now then
      old[#old + 1] = flat[i]
    else
      found.total = found.total + amount
      found.rows[#found.rows + 1] = {second, amount}
      found.newest = math.max(found.newest or second, second)
    end
  end
  if #old > 0 then redis.call('HDEL', key, unpack(old)) end
  return found
end

local function wait(found, amount, limit)
  if amount > limit then return 0 end
  table.sort(found.rows, function(a, b) return a[1] < b[1] end)
  local left = found.total
  for _, row in ipairs(found.rows) do
    left = left - row[2]
    if left + amount <= limit then
      return math.max(1, math.ceil(row[1] + 1 + WINDOW - now))
    end
  end
  return WINDOW
end

local function add(key, found, amount)
  redis.call('HINCRBY', key, whole(math.floor(now)), amount)
  redis.call('EXPIRE', key, 2 * WINDOW)
  found.total = found.total + amount
  found.newest = math.floor(now)
end

local function reset(found)
  return found.newest and math.ceil(found.newest + 1 + WINDOW - now) or 0
end

function run.admit(request)
  local refused = nil
  local function refuse(place, reason, seconds, budget, spent)
    if not refused then
      refused = {place - 1, reason, seconds, (budget or 1) - 1, whole(spent or 0)}
    end
  end

  local seen = {}
  for place, demand in ipairs(request.demands) do
    local base = request.prefix .. demand.name
    local one = {requests = {total = 0}, tokens = {total = 0}}
    seen[place] = one
    for index, budget in ipairs(demand.budgets) do
      local key = request.prefix .. budget.name
      local known, limit = tonumber(budget.known), tonumber(budget.limit)
      local spent = tonumber(redis.call('GET', key) or '-1')
      if known > spent then
        spent = known
        redis.call('SET', key, whole(spent), 'EX', budget.keep_s)
      end
      if spent >= limit then refuse(place, 'budget', 0, index, spent) end
    end
    if demand.max_parallel then
      redis.call('ZREMRANGEBYSCORE', base .. ':calls', '-inf', now)
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
      if demand.max_parallel then
        redis.call('ZADD', base .. ':calls', now + request.lease_s, request.lease)
        redis.call('EXPIRE', base .. ':calls', 2 * request.lease_s)
      end
    end
    uses[place] = {one.requests.total, reset(one.requests), one.tokens.total, reset(one.tokens)}
  end
  return cjson.encode({second = math.floor(now), uses = uses, refused = refused})
end

function run.settle(request)
  for _, each in ipairs(request.settlements) do
    local base = request.prefix .. each.name
    redis.call('ZREM', base .. ':calls', request.lease)
    if each.tokens ~= 0 and each.second + 1 + WINDOW > now then
      redis.call('HINCRBY', base .. ':tokens', whole(each.second), each.tokens)
      redis.call('EXPIRE', base .. ':tokens', 2 * WINDOW)
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
    local key = request.prefix .. each[1] .. ':calls'
    redis.call('ZADD', key, now + request.lease_s, each[2])
    redis.call('EXPIRE', key, 2 * request.lease_s)
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
