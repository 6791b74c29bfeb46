-- What all scripts share: a key's state as numbers, the arithmetic of rates, reservations' records. All
-- numbers are whole and at most 2^53, where doubles are exact; tostring() keeps 14 digits, so text is made
-- by num() alone. The same arithmetic is in bucket.c and cell.c, whose comments say why.
local POSITIONS = 4503599627370496 -- 2^52
local DEBT_MAX = 9007199254740991 -- 2^53 - 1
local AMOUNT_MAX = 9000000000000000
local DEAD_AFTER_MS = 30000
local DAY_MS = 86400000

local function num(value)
    return string.format('%.0f', value)
end

local function words(text)
    local found = {}
    for word in string.gmatch(text, '%S+') do
        found[#found + 1] = word
    end
    return found
end

local function server_ms()
    local time = redis.call('TIME')
    return tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
end

-- The epoch is made when data begins. Gone, or another one than the asker knows: data was lost.
local function check_epoch(key, known, candidate, now)
    local epoch = redis.call('GET', key)
    if not epoch then
        epoch = string.sub(redis.sha1hex(candidate .. num(now)), 1, 16)
        redis.call('SET', key, epoch)
    end
    return epoch, (known ~= '-' and known ~= epoch) and 1 or 0
end

-- ---- states ------------------------------------------------------------------------------------
-- r (rate):   debt fraction at drained taken settled refunded reserved
-- w (window): start taken settled refunded reserved forgiven
-- h (held):   taken settled refunded reserved gateway=slots,...

local function read_state(kind, text)
    local state = {kind = kind, taken = 0, settled = 0, refunded = 0, reserved = 0}
    local w = text and words(text)
    if kind == 'r' then
        state.debt, state.fraction, state.at, state.drained = 0, 0, 0, 0
        if w then
            state.debt, state.fraction, state.at, state.drained =
                tonumber(w[1]), tonumber(w[2]), tonumber(w[3]), tonumber(w[4])
            state.taken, state.settled, state.refunded, state.reserved =
                tonumber(w[5]), tonumber(w[6]), tonumber(w[7]), tonumber(w[8])
        end
    elseif kind == 'w' then
        state.start, state.forgiven = 0, 0
        if w then
            state.start, state.taken, state.settled, state.refunded, state.reserved, state.forgiven =
                tonumber(w[1]), tonumber(w[2]), tonumber(w[3]), tonumber(w[4]), tonumber(w[5]), tonumber(w[6])
        end
    else
        state.slots = {}
        if w then
            state.taken, state.settled, state.refunded, state.reserved =
                tonumber(w[1]), tonumber(w[2]), tonumber(w[3]), tonumber(w[4])
            for gateway, count in string.gmatch(w[5], '([^=,]+)=(%d+)') do
                state.slots[gateway] = tonumber(count)
            end
        end
    end
    return state
end

local function write_state(key, state, ttl_ms)
    local text
    if state.kind == 'r' then
        text = string.format('%.0f %.0f %.0f %.0f %.0f %.0f %.0f %.0f', state.debt, state.fraction, state.at,
            state.drained, state.taken, state.settled, state.refunded, state.reserved)
    elseif state.kind == 'w' then
        text = string.format('%.0f %.0f %.0f %.0f %.0f %.0f', state.start, state.taken, state.settled,
            state.refunded, state.reserved, state.forgiven)
    else
        local slots = {}
        for gateway, count in pairs(state.slots) do
            if count > 0 then
                slots[#slots + 1] = gateway .. '=' .. num(count)
            end
        end
        table.sort(slots)
        text = string.format('%.0f %.0f %.0f %.0f %s', state.taken, state.settled, state.refunded,
            state.reserved, #slots > 0 and table.concat(slots, ',') or '-')
    end
    redis.call('SET', key, text, 'PX', num(ttl_ms))
end

-- ---- rates -------------------------------------------------------------------------------------

local function drain(state, amount)
    state.debt = state.debt - amount
    state.drained = (state.drained + amount) % POSITIONS
    if state.debt == 0 then
        state.fraction = 0
    end
end

-- floor((elapsed * amount + fraction) / period) and the rest, exactly: whole periods first, then the
-- amount in two halves, so that no product passes 2^53.
local function refill(elapsed, amount, fraction, period)
    local periods = math.floor(elapsed / period)
    elapsed = elapsed - periods * period
    local high = math.floor(amount / 134217728)
    local low = amount - high * 134217728
    local first = high * elapsed
    local whole = math.floor(first / period)
    local second = (first - whole * period) * 134217728 + low * elapsed + fraction
    local rest = math.floor(second / period)
    return periods * amount + whole * 134217728 + rest, second - rest * period
end

local function advance_rate(state, amount, period, now)
    if now <= state.at then
        return
    end
    local whole, fraction = refill(now - state.at, amount, state.fraction, period)
    state.at = now
    if whole >= state.debt then
        drain(state, state.debt)
    else
        drain(state, whole)
        state.fraction = fraction
    end
end

local function take_rate(state, amount)
    state.debt = math.min(state.debt + amount, DEBT_MAX)
    return (state.drained % POSITIONS + state.debt % POSITIONS) % POSITIONS
end

local function give_rate_back(state, position, taken, unused)
    local ahead = (position - state.drained) % POSITIONS
    if ahead > state.debt or state.debt > POSITIONS / 2 then
        return
    end
    local back = math.min(ahead, taken, unused)
    drain(state, back)
    if back == ahead and back > 0 then
        state.fraction = 0
    end
end

-- ---- concurrency -------------------------------------------------------------------------------

local function alive_gateways(key, now)
    local alive = {}
    for _, gateway in ipairs(redis.call('ZRANGEBYSCORE', key, num(now - DEAD_AFTER_MS), '+inf')) do
        alive[gateway] = true
    end
    return alive
end

-- Slots of gateways that are dead do not count and are forgotten.
local function count_slots(state, alive)
    local sum = 0
    for gateway, count in pairs(state.slots) do
        if alive[gateway] then
            sum = sum + count
        else
            state.slots[gateway] = nil
        end
    end
    return sum
end

-- ---- records -----------------------------------------------------------------------------------
-- First line: state step deadline. Then for each demand that was taken:
--   index kind settles (2: a key over tenants) amount position last gateway rate key
-- States: o open, d done (nothing to settle), c charged in full at its deadline, t called off.

local function read_record(text)
    local record = {parts = {}}
    for line in string.gmatch(text, '[^\n]+') do
        local w = words(line)
        if not record.state then
            record.state, record.step, record.deadline = w[1], tonumber(w[2]), tonumber(w[3])
        else
            record.parts[#record.parts + 1] = {index = tonumber(w[1]), kind = w[2], settles = w[3] ~= '0',
                shared = w[3] == '2',
                amount = tonumber(w[4]), position = tonumber(w[5]), last = tonumber(w[6]), gateway = w[7],
                rate = w[8], key = w[9]}
        end
    end
    return record
end

local function write_record(key, record, ttl_ms)
    local lines = {record.state .. ' ' .. num(record.step) .. ' ' .. num(record.deadline)}
    for _, part in ipairs(record.parts) do
        lines[#lines + 1] = string.format('%d %s %s %.0f %.0f %.0f %s %s %s', part.index, part.kind,
            part.settles and (part.shared and '2' or '1') or '0', part.amount, part.position, part.last, part.gateway, part.rate, part.key)
    end
    redis.call('SET', key, table.concat(lines, '\n'), 'PX', num(ttl_ms))
end

-- How long a key's count is worth keeping: a rate's `rate` is "amount/period", others' is "-".
local function ttl_of(state, part_rate)
    local period = string.match(part_rate, '/(%d+)$')
    return (period and tonumber(period) or 400 * DAY_MS) + 2 * DAY_MS
end

-- Brings a rate up to now by the limit that it was taken with.
local function advance_part(state, part, now)
    local amount, period = string.match(part.rate, '^(%d+)/(%d+)$')
    if amount then
        advance_rate(state, tonumber(amount), tonumber(period), now)
    end
end

-- Charges `used` for a part of a record that is open (reserved) or was charged in full.
local function settle_part(part, used, charged, now)
    local text = redis.call('GET', part.key)
    if not text then
        return
    end
    local state = read_state(part.kind, text)
    if part.kind == 'w' and state.start ~= part.position then
        return -- of a window that is over: its sums have gone with it
    end
    local overrun = math.max(used - part.amount, 0)
    local unused = math.max(part.amount - used, 0)
    if part.kind == 'h' then
        overrun, unused = 0, part.amount
        local slots = state.slots[part.gateway]
        state.slots[part.gateway] = slots and math.max(slots - part.amount, 0)
    elseif part.kind == 'r' then
        advance_part(state, part, now)
        give_rate_back(state, part.position, part.last, math.min(unused, part.last))
        take_rate(state, overrun)
    end
    if charged then
        state.settled = state.settled - part.amount
    else
        state.reserved = state.reserved - part.amount
    end
    state.taken = state.taken + overrun
    state.refunded = state.refunded + unused
    state.settled = state.settled + part.amount - unused + overrun
    write_state(part.key, state, ttl_of(state, part.rate))
end

-- At its deadline a reservation is charged in full; slots are given back.
local function charge_overdue(open_key, now, most)
    for _, key in ipairs(redis.call('ZRANGEBYSCORE', open_key, '-inf', num(now), 'LIMIT', '0', num(most))) do
        local text = redis.call('GET', key)
        local record = text and read_record(text)
        if record and record.state == 'o' then
            for _, part in ipairs(record.parts) do
                if part.settles then
                    settle_part(part, part.amount, false, now)
                end
            end
            record.state = 'c'
            write_record(key, record, DAY_MS)
        end
        redis.call('ZREM', open_key, key)
    end
end

-- Gives back what was settled as it was taken.
local function take_back(part, now)
    local text = redis.call('GET', part.key)
    local state = text and read_state(part.kind, text)
    if not state or (part.kind == 'w' and state.start ~= part.position) then
        return
    end
    if part.kind == 'r' then
        advance_part(state, part, now)
        give_rate_back(state, part.position, part.amount, part.amount)
    end
    state.settled = state.settled - part.amount
    state.refunded = state.refunded + part.amount
    write_state(part.key, state, ttl_of(state, part.rate))
end
