-- Asks for all demands of a reservation, or extends it.
-- KEYS: record, open of the tenant, open of all, gateways, epoch, then a usage key for each demand.
-- ARGV: step, mode (a ask, e extend), lifetime, output wanted, share, gateway, known epoch, epoch candidate,
--   then for each demand: kind, flags (1 deny, 2 settles, 4 over tenants), warn percent, fixed, per output, limit, and
--   r: burst period   w: start end next_end   h: nothing
-- Returns: verdict (A admitted, R refused, C called off, K clock off), server_ms, lost, epoch, output, then for
--   each demand: refused over crossed granted left whole room_ms reset_ms position.
local now = server_ms()
local step, mode = tonumber(ARGV[1]), ARGV[2]
local lifetime, want, share = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local gateway = ARGV[6]
local DEMAND_KEYS, DEMAND_ARGS = 5, 8
local count = #KEYS - DEMAND_KEYS

local epoch, lost = check_epoch(KEYS[5], ARGV[7], ARGV[8], now)
local head = ' ' .. num(now) .. ' ' .. lost .. ' ' .. epoch
charge_overdue(KEYS[2], now, 4)

local text = redis.call('GET', KEYS[1])
local record = text and read_record(text)
if record and record.state == 't' then
    return 'C' .. head .. ' 0'
end
if mode == 'e' and not (record and record.state == 'o') then
    return 'R' .. head .. ' 0'
end
local repeated = record and record.step >= step

local texts = redis.call('MGET', unpack(KEYS, DEMAND_KEYS + 1))
local demands, alive = {}, nil
for i = 1, count do
    local w = words(ARGV[DEMAND_ARGS + i])
    local demand = {kind = w[1], key = KEYS[DEMAND_KEYS + i], warn = tonumber(w[3]), fixed = tonumber(w[4]),
        per_output = tonumber(w[5]), limit = tonumber(w[6]), rate = '-'}
    local flags = tonumber(w[2])
    demand.deny = flags % 2 == 1
    demand.settles = math.floor(flags / 2) % 2 == 1
    demand.shared = flags >= 4
    demand.concerned = mode == 'a' or (demand.settles and demand.kind ~= 'h')
    local state = read_state(demand.kind, texts[i])
    demand.state = state
    if demand.kind == 'r' then
        demand.whole, demand.period = tonumber(w[7]), tonumber(w[8])
        demand.rate = w[6] .. '/' .. w[8]
        advance_rate(state, demand.limit, demand.period, now)
        demand.used = state.debt
        demand.left = math.max(demand.whole - state.debt, 0)
        demand.ttl = demand.period + lifetime + DAY_MS
    elseif demand.kind == 'w' then
        local first, last, after = tonumber(w[7]), tonumber(w[8]), tonumber(w[9])
        if now >= last then
            first, last = last, after
        end
        if now < first or now >= last then
            return 'K' .. head .. ' 0'
        end
        if state.start < first then
            state = read_state('w', nil)
            state.start = first
            demand.state = state
        end
        demand.whole, demand.ends = demand.limit, last
        demand.used = math.max(state.reserved + state.settled - state.forgiven, 0)
        demand.left = math.max(demand.limit + state.forgiven - state.reserved - state.settled, 0)
        demand.ttl = last - now + lifetime + DAY_MS
    else
        alive = alive or alive_gateways(KEYS[4], now)
        demand.whole = demand.limit
        demand.used = count_slots(state, alive)
        demand.left = math.max(demand.limit - demand.used, 0)
        demand.ttl = lifetime + DAY_MS
    end
    demands[i] = demand
end

local function amount_of(demand, output)
    local amount = demand.fixed + output * demand.per_output
    return amount > AMOUNT_MAX and AMOUNT_MAX + 1 or amount
end

-- The least that makes sense: all, or one token, for which `share` of them have to be left.
local least = (share == 0 or want == 0) and want or share
local fits = true
for _, demand in ipairs(demands) do
    demand.refused, demand.over, demand.crossed, demand.granted = 0, 0, 0, 0
    local amount = amount_of(demand, least)
    if demand.concerned and not repeated and amount > demand.left then
        if demand.deny then
            demand.refused = 1
            fits = false
        else
            demand.over = 1
        end
        demand.room = amount > demand.whole and -1 or 0
        if demand.room == 0 and demand.kind == 'r' then
            demand.room = math.ceil((demand.state.debt + amount - demand.whole) * demand.period / demand.limit)
        elseif demand.room == 0 and demand.kind == 'w' then
            demand.room = demand.ends - now
        end
    end
end

local output = want
if share > 0 and want > 0 then
    for _, demand in ipairs(demands) do
        if demand.concerned and demand.deny and demand.per_output > 0 then
            local room = math.max(demand.left - demand.fixed, 0)
            output = math.min(output, math.floor(math.floor(room / share) / demand.per_output))
        end
    end
end

local function take(demand, index)
    local state, amount = demand.state, amount_of(demand, output)
    local before = demand.used
    local position = 0
    state.taken = state.taken + amount
    if demand.settles then
        state.reserved = state.reserved + amount
    else
        state.settled = state.settled + amount
    end
    if demand.kind == 'r' then
        position = take_rate(state, amount)
        demand.used = state.debt
        demand.left = math.max(demand.whole - state.debt, 0)
    elseif demand.kind == 'w' then
        position = state.start
        demand.used = before + amount
        demand.left = math.max(demand.left - amount, 0)
    else
        state.slots[gateway] = (state.slots[gateway] or 0) + amount
        demand.used = before + amount
        demand.left = math.max(demand.left - amount, 0)
    end
    demand.granted, demand.position = amount, position
    local mark = math.floor((demand.whole * demand.warn + 99) / 100)
    if demand.warn > 0 and before < mark and demand.used >= mark then
        demand.crossed = 1
    end
    if not demand.deny and before <= demand.whole and demand.used > demand.whole then
        demand.crossed = 1
    end
    write_state(demand.key, state, demand.ttl)
    for _, part in ipairs(record.parts) do
        if part.index == index then
            if part.kind == 'w' and part.position ~= position then
                part.amount = 0 -- a new window has begun: what the former one granted has gone with it
            end
            part.amount, part.position, part.last, part.rate = part.amount + amount, position, amount, demand.rate
            return
        end
    end
    record.parts[#record.parts + 1] = {index = index, kind = demand.kind, settles = demand.settles,
        amount = amount, position = position, last = amount, gateway = gateway, rate = demand.rate,
        key = demand.key, shared = demand.shared}
end

if fits and not repeated then
    record = mode == 'e' and record or {parts = {}, state = 'd', deadline = now + lifetime}
    record.step = step
    local shared = false
    for i, demand in ipairs(demands) do
        if demand.concerned then
            take(demand, i)
            if demand.settles then
                record.state = 'o'
                shared = shared or demand.shared
            end
        end
    end
    if record.state == 'o' then
        write_record(KEYS[1], record, record.deadline - now + DAY_MS)
        if mode == 'a' then
            redis.call('ZADD', KEYS[2], num(record.deadline), KEYS[1])
            redis.call('PEXPIRE', KEYS[2], num(lifetime + DAY_MS))
            if shared then
                redis.call('ZADD', KEYS[3], num(record.deadline), KEYS[1])
                redis.call('PEXPIRE', KEYS[3], num(lifetime + DAY_MS))
            end
        end
    else
        write_record(KEYS[1], record, 120000)
    end
end

-- The step was taken before: the same answer again.
if repeated then
    output = want
    for _, part in ipairs(record.parts) do
        demands[part.index].granted = part.last
    end
end

local reply = {(fits and 'A' or 'R') .. head .. ' ' .. num(fits and output or 0)}
for _, demand in ipairs(demands) do
    local reset = 0
    if demand.kind == 'r' then
        reset = math.ceil((demand.state.debt * demand.period - demand.state.fraction) / demand.limit)
    elseif demand.kind == 'w' then
        reset = demand.ends - now
    end
    reply[#reply + 1] = string.format('%d %d %d %.0f %.0f %.0f %.0f %.0f', demand.refused, demand.over,
        demand.crossed, demand.granted, demand.left, demand.whole, demand.refused == 1 and demand.room or 0, reset)
end
return table.concat(reply, ' ')
