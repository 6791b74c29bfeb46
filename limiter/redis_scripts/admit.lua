-- Asks for all demands of a reservation, or extends it: all or nothing.
-- KEYS: record, open of the tenant, open of all, gateways, epoch, then a usage key for each demand.
-- ARGV: step, mode (a ask, e extend), lifetime, output wanted, share, gateway, known epoch, epoch
--   candidate, then for each demand: kind, flags (1 deny, 2 settles, 4 over tenants), warn percent,
--   fixed, per output, limit, and   r: burst period   w: start end next_end   h: nothing
-- Returns: verdict (A admitted, R refused, C called off before, K clock off), server_ms, lost, epoch,
--   output granted, then, of A and R, for each demand:
--   refused over crossed granted left whole room_ms reset_ms.
local DONE_MS = 60000 -- how long what needs no settlement is remembered, for a call-off
local DEMAND_KEYS, DEMAND_ARGS = 5, 8

local now = server_ms()
local step, mode = tonumber(ARGV[1]), ARGV[2]
local lifetime, want, share = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local gateway = ARGV[6]
local deadline = now + lifetime
local has_slots, is_known_alive = false, false

-- ---- what is asked -----------------------------------------------------------------------------

local function read_demand(index)
    local w = words(ARGV[DEMAND_ARGS + index])
    local flags = tonumber(w[2])
    local demand = {index = index, key = KEYS[DEMAND_KEYS + index], kind = w[1],
        deny = flags % 2 == 1, settles = 0, warn = tonumber(w[3]), fixed = tonumber(w[4]),
        per_output = tonumber(w[5]), limit = tonumber(w[6]), whole = tonumber(w[6]),
        refused = 0, over = 0, crossed = 0, granted = 0, room = 0}
    if math.floor(flags / 2) % 2 == 1 then
        demand.settles = flags >= 4 and 2 or 1
    end
    demand.concerned = mode == 'a' or (demand.settles > 0 and demand.kind ~= 'h')
    if demand.kind == 'r' then
        demand.whole, demand.rate = tonumber(w[7]), w[6] .. '/' .. w[8]
    elseif demand.kind == 'w' then
        demand.start, demand.ends, demand.next_ends = tonumber(w[7]), tonumber(w[8]), tonumber(w[9])
        if now >= demand.ends then
            demand.start, demand.ends = demand.ends, demand.next_ends
        end
        demand.clock_off = now < demand.start or now >= demand.ends
    end
    return demand
end

local function amount_of(demand, output)
    return math.min(demand.fixed + output * demand.per_output, AMOUNT_MAX + 1)
end

-- ---- what there is -----------------------------------------------------------------------------

-- Used and left, as the state is now.
local function measure(demand)
    local state = demand.state
    if demand.kind == 'r' then
        demand.used = state.debt
    elseif demand.kind == 'w' then
        demand.used = state.reserved + state.settled - state.forgiven
    else
        demand.used = count_slots(state, demand.alive)
    end
    demand.left = math.max(demand.whole - demand.used, 0)
    demand.used = math.max(demand.used, 0)
end

local function load_state(demand, text, alive)
    local state = read_state(demand.kind, text)
    if demand.kind == 'r' then
        advance_rate_by(state, demand.rate, now)
    elseif demand.kind == 'w' then
        state = window_at(text, state, now, demand.start, demand.ends)
    end
    demand.state, demand.alive = state, alive
    measure(demand)
end

local function room_after(demand, amount)
    if amount > demand.whole then
        return -1
    elseif demand.kind == 'r' then
        return time_to_drain(demand.state, demand.state.debt - (demand.whole - amount))
    end
    return demand.kind == 'w' and demand.state.ends - now or 0
end

local function reset_after(demand)
    if demand.kind == 'r' then
        return time_to_drain(demand.state, demand.state.debt)
    end
    return demand.kind == 'w' and demand.state.ends - now or 0
end

-- ---- the verdict -------------------------------------------------------------------------------

-- Looks at all, whatever the first one says: each has its answer. The least output that is granted,
-- if any is wanted, is one token: for a share of what is left to be that, so many have to be left.
local function all_fit(demands)
    local least = (share == 0 or want == 0) and want or share
    local fit = true
    for _, demand in ipairs(demands) do
        local amount = amount_of(demand, least)
        if demand.concerned and demand.deny and amount > demand.left then
            demand.refused, demand.room = 1, room_after(demand, amount)
            fit = false
        end
    end
    return fit
end

-- What the tightest rule has room for.
local function output_to_grant(demands)
    local output = want
    for _, demand in ipairs(demands) do
        if share > 0 and demand.concerned and demand.deny and demand.per_output > 0 then
            local room = math.max(demand.left - demand.fixed, 0)
            output = math.min(output, math.floor(math.floor(room / share) / demand.per_output))
        end
    end
    return output
end

local function find_part(record, index)
    for _, part in ipairs(record.parts) do
        if part.index == index then
            return part
        end
    end
end

local function note_part(record, demand, position)
    local part = find_part(record, demand.index)
    if not part then
        part = {index = demand.index, kind = demand.kind, settles = demand.settles, amount = 0,
            former = 0, position = position, gateway = gateway, key = demand.key}
        record.parts[#record.parts + 1] = part
    elseif part.kind == 'w' and part.position ~= position then
        part.former, part.amount = part.former + part.amount, 0 -- a new window has begun
    end
    part.amount, part.position, part.last = part.amount + demand.granted, position, demand.granted
    part.marks = demand.over + 2 * demand.crossed
end

-- Is there something to warn of?
local function is_news(demand, before)
    if not demand.deny and before <= demand.whole and demand.used > demand.whole then
        return true
    end
    local hundreds = math.floor(demand.whole / 100)
    local mark = hundreds * demand.warn +
        math.floor(((demand.whole - hundreds * 100) * demand.warn + 99) / 100)
    return demand.warn > 0 and before < mark and demand.used >= mark
end

local function take(record, demand, output)
    local state, before = demand.state, demand.used
    local amount = amount_of(demand, output)
    local holder = demand.settles > 0 and 'reserved' or 'settled'
    local position = state.start
    demand.granted, demand.over = amount, amount > demand.left and 1 or 0
    state.taken, state[holder] = state.taken + amount, state[holder] + amount
    if demand.kind == 'r' then
        position = take_rate(state, amount)
    elseif demand.kind == 'h' then
        position = take_slots(state, gateway, amount)
    end
    measure(demand)
    demand.crossed = is_news(demand, before) and 1 or 0
    note_part(record, demand, position)
end

local function list_as_open(record, key)
    redis.call('ZADD', key, num(record.deadline), record.key)
    local keep = record.deadline - now + DAY_MS
    if redis.call('PTTL', key) < keep then
        redis.call('PEXPIRE', key, num(keep))
    end
end

local function write_taken(record)
    local open_of_all = false
    for _, part in ipairs(record.parts) do
        open_of_all = open_of_all or part.settles == 2
        if part.settles > 0 then
            record.state = 'o'
        end
    end
    if record.state == 'o' then
        write_record(record, record.deadline - now + DAY_MS)
        list_as_open(record, KEYS[2])
        if open_of_all then
            list_as_open(record, KEYS[3])
        end
    else
        write_record(record, record.off > 0 and TOMBSTONE_MS or DONE_MS)
    end
end

-- All keys of the reservation are kept until its deadline, those of slots, too, which an extension
-- leaves as they are.
local function take_all(record, demands, output)
    record.step, record.output = step, output
    record.deadline = math.max(record.deadline, deadline)
    for _, demand in ipairs(demands) do
        if demand.concerned then
            take(record, demand, output)
        end
        local keep = record.deadline + DAY_MS
        if demand.concerned or (demand.settles > 0 and demand.state.keep < keep) then
            demand.state.keep = math.max(demand.state.keep, keep)
            write_state(demand.key, demand.state, now)
        end
    end
    if has_slots and not is_known_alive then
        redis.call('ZADD', KEYS[4], num(now), gateway)
    end
    write_taken(record)
end

-- The step was taken before: the same answer again. (Of an older step, nothing is granted twice.)
local function tell_again(record, demands)
    for _, demand in ipairs(demands) do
        local part = find_part(record, demand.index)
        if part and demand.concerned and record.step == step then
            demand.granted, demand.over = part.last, part.marks % 2
            demand.crossed = math.floor(part.marks / 2)
        end
    end
    return record.step == step and record.output or 0
end

local function verdict_text(verdict, head, output, demands)
    local reply = {verdict .. head, num(output)}
    for _, demand in ipairs(demands) do
        reply[#reply + 1] = string.format('%d %d %d %.0f %.0f %.0f %.0f %.0f', demand.refused,
            demand.over, demand.crossed, demand.granted, demand.left, demand.whole, demand.room,
            reset_after(demand))
    end
    return table.concat(reply, ' ')
end

-- ---- the step ----------------------------------------------------------------------------------

local epoch, lost = check_epoch(KEYS[5], ARGV[7], ARGV[8], now)
local head = ' ' .. num(now) .. ' ' .. lost .. ' ' .. epoch
charge_overdue(KEYS[2], KEYS[3], now, 4)

local demands = {}
for i = 1, #KEYS - DEMAND_KEYS do
    demands[i] = read_demand(i)
    has_slots = has_slots or demands[i].kind == 'h'
    if demands[i].clock_off then
        return 'K' .. head .. ' 0'
    end
end

local record = read_record(KEYS[1])
if record and step <= record.off then
    return 'C' .. head .. ' 0'
end
local off = record and record.off or 0
if record and record.state == 't' then
    record = nil
end
if mode == 'e' and (not record or record.state == 'c') then
    return 'R' .. head .. ' 0'
end
local repeated = record and step <= record.step
if record and mode == 'a' and not repeated then
    -- Who asks anew has not heard that it was admitted: that is called off.
    give_back(record, now)
    unlist(record, KEYS[2], KEYS[3])
    redis.call('DEL', KEYS[1])
    record, off = nil, record.step
end

-- One that asks is alive, whatever became of its heartbeats: its slots must count.
local alive = has_slots and alive_gateways(KEYS[4], now) or {}
is_known_alive, alive[gateway] = alive[gateway], true
local texts = redis.call('MGET', unpack(KEYS, DEMAND_KEYS + 1))
for i, demand in ipairs(demands) do
    load_state(demand, texts[i], alive)
end
if repeated then
    return verdict_text('A', head, tell_again(record, demands), demands)
end
if not all_fit(demands) then
    return verdict_text('R', head, 0, demands)
end
local output = output_to_grant(demands)
record = record or {key = KEYS[1], parts = {}, state = 'd', deadline = 0, off = off}
take_all(record, demands, output)
return verdict_text('A', head, output, demands)
