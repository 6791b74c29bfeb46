-- What has been taken, as records, and what becomes of it: charged, given back, called off. All of
-- this file is one function: an admission, which needs it seldom, does not pay for those in it.
local function ledger()

-- ---- states ------------------------------------------------------------------------------------

-- Of a key that there is not, all is zero. `size` of what is stored; nil: nothing.
local function read_state(kind, text)
    local state = {kind = kind, size = text and #text}
    local stored = text or NOTHING
    if kind == 'r' then
        state.taken, state.settled, state.refunded, state.reserved, state.keep, state.debt,
            state.fraction, state.at, state.drained, state.amount, state.period =
            struct.unpack(RATE, stored)
    elseif kind == 'w' then
        state.taken, state.settled, state.refunded, state.reserved, state.keep, state.start,
            state.ends, state.forgiven = struct.unpack(WINDOW, stored)
    else
        local at
        state.taken, state.settled, state.refunded, state.reserved, state.keep, state.drops, at =
            struct.unpack(HELD, stored)
        state.slots = {}
        while text and at <= #text do
            local gateway, count, since
            gateway, count, since, at = struct.unpack(SLOT, text, at)
            state.slots[gateway] = {count = count, since = since}
        end
    end
    return state
end

local function state_text(state)
    if state.kind == 'r' then
        return struct.pack(RATE, state.taken, state.settled, state.refunded, state.reserved,
            state.keep, state.debt, state.fraction, state.at, state.drained, state.amount,
            state.period)
    elseif state.kind == 'w' then
        return struct.pack(WINDOW, state.taken, state.settled, state.refunded, state.reserved,
            state.keep, state.start, state.ends, state.forgiven)
    end
    local texts = {struct.pack(HELD, state.taken, state.settled, state.refunded, state.reserved,
        state.keep, state.drops)}
    for gateway, slot in pairs(state.slots) do
        if slot.count > 0 then
            texts[#texts + 1] = struct.pack(SLOT, gateway, slot.count, slot.since)
        end
    end
    return table.concat(texts)
end

local function new_window(start, ends)
    local state = read_state('w', nil)
    state.start, state.ends = start, ends
    return state
end

-- The window that counts now: the key's own, or a new one from `from` to `to`.
local function window_at(state, now, from, to)
    if not state.size or is_window_over(state.start, state.ends, now, from, to) then
        return new_window(from, to)
    end
    state.ends = state.ends > 0 and state.ends or to
    return state
end

-- Totals of a key that is used for years would pass what a double counts: their past is forgotten by
-- halves. They still add up.
local function halve_totals(taken, settled, refunded, kind)
    local past_refunded = math.floor(refunded / 2)
    local past_settled = kind == 'w' and 0 or math.floor(settled / 2)
    return taken - past_refunded - past_settled, settled - past_settled, refunded - past_refunded
end

-- What was charged to a window turned out to be so much more, or less.
local function charge_later(state, more)
    if more > 0 then
        state.taken, state.settled = state.taken + more, state.settled + more
    elseif more < 0 then
        -- Below zero as long as the settlement that is corrected is not here yet.
        state.settled, state.refunded = state.settled + more, state.refunded - more
        if state.forgiven > state.settled then -- what was forgiven by hand is not given back once more
            state.forgiven = math.max(state.forgiven + more, state.settled, 0)
        end
    end
end

-- What a ledger has said of a window, and of none that begins later. Without an end: as it was written before.
local function said_of(key, ends)
    local amount, window = string.match(redis.call('GET', key) or '', '^(-?%d+) ?(%d*)$')
    return amount and (window == '' or tonumber(window) == ends) and tonumber(amount) or 0
end

local function note_said(key, amount, ends, now)
    redis.call('SET', key, string.format('%.0f %.0f', amount, ends), 'PX', ends - now + DAY_MS)
end

-- It is kept a day beyond `last` and its own end, or an hour more: so most writes leave its expiry as
-- it is, which costs less than half.
local function write_state(key, state, now, last)
    if state.taken > 2^52 then
        state.taken, state.settled, state.refunded =
            halve_totals(state.taken, state.settled, state.refunded, state.kind)
    end
    if state.kind == 'w' then
        last = math.max(last, state.ends)
    elseif state.kind == 'r' and state.amount > 0 then
        local drains = math.ceil(state.debt / state.amount) * state.period
        last = math.max(last, now + math.min(drains, 400 * DAY_MS))
    end
    local longer = state.keep < last + DAY_MS
    if longer then
        state.keep = last + DAY_MS + HOUR_MS
    end
    local text = state_text(state)
    if longer or #text ~= state.size then
        redis.call('SET', key, text, 'PX', state.keep - now)
    else
        redis.call('SETRANGE', key, '0', text)
    end
end

-- ---- concurrency -------------------------------------------------------------------------------

local function alive_gateways(key, now)
    local alive = {}
    local names = redis.call('ZRANGEBYSCORE', key, now - DEAD_AFTER_MS, '+inf')
    for _, gateway in ipairs(names) do
        alive[gateway] = true
    end
    return alive
end

-- Slots of gateways that are dead are dropped, and count no more. (The totals go by the records, as
-- everywhere: theirs are given back at their deadline.)
local function count_slots(state, alive)
    local sum, dropped, slots = 0, false, state.slots
    for gateway, slot in pairs(slots) do
        if alive[gateway] then
            sum = sum + slot.count
        else
            slots[gateway] = nil
            dropped = true
        end
    end
    if dropped then
        state.drops = state.drops + 1
    end
    return sum
end

-- Returns the position.
local function take_slots(state, gateway, amount)
    local slot = state.slots[gateway] or {count = 0, since = state.drops}
    slot.count = slot.count + amount
    state.slots[gateway] = slot
    return state.drops
end

-- ---- records -----------------------------------------------------------------------------------

local function read_record(key, text)
    local parts, count = {}, 0
    local state, step, deadline, output, off, gateway, at = struct.unpack(RECORD, text)
    while at <= #text do
        local index, settles, marks, kind, amount, former, position, last, usage_key
        index, settles, marks, kind, amount, former, position, last, usage_key, at =
            struct.unpack(PART, text, at)
        count = count + 1
        parts[count] = {index = index, settles = settles, marks = marks, kind = kind,
            amount = amount, former = former, position = position, last = last, key = usage_key}
    end
    return {key = key, parts = parts, state = state, step = step, deadline = deadline,
        output = output, off = off, gateway = gateway}
end

-- nil: there is none.
local function find_record(key)
    local text = redis.call('GET', key)
    return text and read_record(key, text) or nil
end

local function record_text(record)
    local texts = {struct.pack(RECORD, record.state, record.step, record.deadline, record.output,
        record.off, record.gateway)}
    for i, part in ipairs(record.parts) do
        texts[i + 1] = struct.pack(PART, part.index, part.settles, part.marks, part.kind,
            part.amount, part.former, part.position, part.last, part.key)
    end
    return table.concat(texts)
end

local function write_tombstone(key, step)
    local text = struct.pack(RECORD, 't', step, 0, 0, step, '')
    redis.call('SET', key, text, 'PX', HOUR_MS)
end

-- What an extension adds to a part.
local function extend_part(record, index, amount, position, marks)
    for _, part in ipairs(record.parts) do
        if part.index == index then
            if part.kind == 'w' and part.position ~= position then
                part.former, part.amount = part.former + part.amount, 0 -- a new window has begun
            end
            part.amount, part.position = part.amount + amount, position
            part.last, part.marks = amount, marks
        end
    end
end

-- Out of the indexes of open reservations.
local function unlist(record, open_key, open_of_all)
    redis.call('ZREM', open_key, record.key)
    for _, part in ipairs(record.parts) do
        if part.settles == 2 then
            redis.call('ZREM', open_of_all, record.key)
            return
        end
    end
end

-- ---- settling ----------------------------------------------------------------------------------

-- Off a rate's debt, as if it had drained.
local function drain(state, amount)
    state.debt = state.debt - amount
    state.drained = (state.drained + amount % 2^52) % 2^52
    if state.debt == 0 then
        state.fraction = 0
    end
end

-- By `amount` each `period` from now on.
local function advance_rate(state, amount, period, now)
    state.amount, state.period = amount, period
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

-- Returns the position of its end. A debt is at most 2^53 - 1, positions are modulo 2^52.
local function take_rate(state, amount)
    state.debt = math.min(state.debt + amount, 2^53 - 1)
    return (state.drained + state.debt % 2^52) % 2^52
end

local function give_rate_back(state, position, taken, unused)
    local ahead = (position - state.drained) % 2^52
    if ahead > state.debt or state.debt > 2^51 then
        return
    end
    local back = math.min(ahead, taken, unused)
    drain(state, back)
    if back == ahead and back > 0 then
        state.fraction = 0
    end
end

-- What is left of a limit for an ask; of the window's two that may count, see admit.lua.
local function left_of(kind, key, now, whole, from, to, next_to)
    local state = read_state(kind, redis.call('GET', key))
    local used
    if kind == 'r' then
        advance_rate(state, from, to, now)
        used = state.debt
    else
        if now >= to then
            from, to = to, next_to
        end
        state = window_at(state, now, from, to)
        used = state.reserved + state.settled - state.forgiven
    end
    return math.max(whole - used, 0)
end

-- Says what a part really used: it is reserved, or was `charged` in full before (slots never are:
-- they were given back then). A key that was lost and began anew knows nothing of it; a window that
-- is over has taken its sums with it.
local function settle_part(record, part, used, charged, now)
    local kind, amount = part.kind, part.amount
    local text = redis.call('GET', part.key)
    if not text or (charged and kind == 'h') then
        return
    end
    local state = read_state(kind, text)
    local holder = charged and 'settled' or 'reserved'
    if (kind == 'w' and state.start ~= part.position) or state[holder] < amount then
        return
    end
    local granted = part.former + amount
    local overrun = used > granted and used - granted or 0
    local unused = granted > used and math.min(granted - used, amount) or 0
    if kind == 'h' then
        overrun, unused = 0, amount
        local slot = state.slots[record.gateway]
        if slot and part.position >= slot.since then
            slot.count = math.max(slot.count - amount, 0)
        end
    elseif kind == 'r' then
        advance_rate(state, state.amount, state.period, now)
        give_rate_back(state, part.position, part.last, unused)
        take_rate(state, overrun)
    end
    state[holder] = state[holder] - amount
    state.taken = state.taken + overrun
    state.refunded = state.refunded + unused
    state.settled = state.settled + amount - unused + overrun
    write_state(part.key, state, now, now)
end

-- Gives back all that a record took. Parts that were charged at once do not name their keys, which are
-- those behind `before` others in KEYS.
local function give_back(record, now, before)
    for _, part in ipairs(record.parts) do
        part.key = part.settles > 0 and part.key or KEYS[before + part.index]
        settle_part(record, part, 0, record.state == 'c' or part.settles == 0, now)
    end
end

-- At its deadline a reservation is charged in full; slots are given back.
local function charge_in_full(key, open_key, open_of_all, now)
    local record = find_record(key)
    if not record or record.state ~= 'o' then
        redis.call('ZREM', open_key, key)
        return
    end
    for _, part in ipairs(record.parts) do
        if part.settles > 0 then
            settle_part(record, part, part.former + part.amount, false, now)
        end
    end
    record.state = 'c'
    redis.call('SET', key, record_text(record), 'PX', DAY_MS)
    unlist(record, open_key, open_of_all)
end

-- Some of those that are; returns how many.
local function charge_overdue(open_key, open_of_all, now, most)
    local keys = redis.call('ZRANGEBYSCORE', open_key, '-inf', now, 'LIMIT', '0', most)
    for _, key in ipairs(keys) do
        charge_in_full(key, open_key, open_of_all, now)
    end
    return #keys
end

return {read_state = read_state, write_state = write_state, new_window = new_window,
    window_at = window_at, charge_later = charge_later, said_of = said_of,
    note_said = note_said, halve_totals = halve_totals, alive_gateways = alive_gateways,
    count_slots = count_slots, take_slots = take_slots, read_record = read_record,
    find_record = find_record, record_text = record_text, write_tombstone = write_tombstone,
    extend_part = extend_part, unlist = unlist, drain = drain,
    advance_rate = advance_rate, take_rate = take_rate, give_rate_back = give_rate_back, left_of = left_of,
    settle_part = settle_part, give_back = give_back, charge_in_full = charge_in_full,
    charge_overdue = charge_overdue}
end

