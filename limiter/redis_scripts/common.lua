-- What all scripts share: a key's state as numbers, the arithmetic of rates, and the records of
-- reservations. All numbers are whole and at most 2^53, where doubles are exact; tostring() keeps 14
-- digits, so text is made by num() alone. The same arithmetic is in bucket.c and cell.c, whose
-- comments say why.
local POSITIONS = 4503599627370496 -- 2^52
local DEBT_MAX = 9007199254740991 -- 2^53 - 1
local AMOUNT_MAX = 9000000000000000
local WAIT_MAX_MS = 1125899906842624 -- 2^50
local DEAD_AFTER_MS = 30000
local DAY_MS = 86400000
local TOMBSTONE_MS = 3600000

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

-- ---- rates -------------------------------------------------------------------------------------

local function drain(state, amount)
    state.debt = state.debt - amount
    state.drained = (state.drained + amount) % POSITIONS
    if state.debt == 0 then
        state.fraction = 0
    end
end

-- floor((elapsed * amount + fraction) / period) and the rest, exactly: whole periods first, then the
-- amount in two parts, so that no product passes 2^53. (What passes it in sum is more than any debt.)
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

local function advance_rate(state, now)
    if now <= state.at then
        return
    end
    local whole, fraction = refill(now - state.at, state.amount, state.fraction, state.period)
    state.at = now
    if whole >= state.debt then
        drain(state, state.debt)
    else
        drain(state, whole)
        state.fraction = fraction
    end
end

-- By the limit "amount/period" from now on.
local function advance_rate_by(state, rate, now)
    local amount, period = string.match(rate, '^(%d+)/(%d+)$')
    state.amount, state.period = tonumber(amount), tonumber(period)
    advance_rate(state, now)
end

local function take_rate(state, amount)
    state.debt = math.min(state.debt + amount, DEBT_MAX)
    return (state.drained + state.debt % POSITIONS) % POSITIONS
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

-- Milliseconds until `amount` of the debt has drained: a double's estimate, which is off by a step or
-- two at most, then the least time that refill() says is enough.
local function time_to_drain(state, amount)
    if amount <= 0 then
        return 0
    end
    local wait = math.ceil((amount * state.period - state.fraction) / state.amount)
    if wait >= WAIT_MAX_MS then
        return WAIT_MAX_MS
    end
    while wait > 0 and refill(wait - 1, state.amount, state.fraction, state.period) >= amount do
        wait = wait - 1
    end
    while refill(wait, state.amount, state.fraction, state.period) < amount do
        wait = wait + 1
    end
    return wait
end

-- ---- states ------------------------------------------------------------------------------------
-- A key's count: one string of numbers. `keep` is when it may go: never before a deadline, the end
-- of its window, or the end of its debt. A window's `ends` is 0 where it is not known yet. Slots are
-- "gateway=count:since,..." or "-"; `drops` counts how often those of a dead gateway were dropped,
-- and `since` is what it was when that gateway's began: older ones are gone.
local FIELDS = {
    r = {'taken', 'settled', 'refunded', 'reserved', 'keep',
        'debt', 'fraction', 'at', 'drained', 'amount', 'period'},
    w = {'taken', 'settled', 'refunded', 'reserved', 'keep', 'start', 'ends', 'forgiven'},
    h = {'taken', 'settled', 'refunded', 'reserved', 'keep', 'drops'},
}

local function read_state(kind, text)
    local w = text and words(text) or {}
    local names = FIELDS[kind]
    local state = {kind = kind}
    for i = 1, #names do
        state[names[i]] = tonumber(w[i]) or 0
    end
    if kind == 'h' then
        state.slots = {}
        for gateway, count, since in string.gmatch(w[#names + 1] or '-', '([^=,]+)=(%d+):(%d+)') do
            state.slots[gateway] = {count = tonumber(count), since = tonumber(since)}
        end
    end
    return state
end

local function new_window(start, ends)
    local state = read_state('w', nil)
    state.start, state.ends = start, ends
    return state
end

-- It runs to its end; one that was found far in the future, the clock being set back, is none.
local function window_is_over(state, now, next_start)
    return (state.ends > 0 and now >= state.ends) or state.start > next_start
end

-- The window that counts now: the key's own, or a new one from `start` to `ends`.
local function window_at(text, state, now, start, ends)
    if not text or window_is_over(state, now, ends) or (state.ends == 0 and state.start < start) then
        return new_window(start, ends)
    elseif state.ends == 0 then
        state.ends = ends
    end
    return state
end

local function slots_text(slots)
    local texts = {}
    for gateway, slot in pairs(slots) do
        if slot.count > 0 then
            texts[#texts + 1] = gateway .. '=' .. num(slot.count) .. ':' .. num(slot.since)
        end
    end
    table.sort(texts)
    return #texts > 0 and table.concat(texts, ',') or '-'
end

-- Totals of a key that is used for years would pass what a double counts: their past is forgotten by
-- halves. They still add up.
local function halve_totals(state)
    local refunded = math.floor(state.refunded / 2)
    local settled = state.kind == 'w' and 0 or math.floor(state.settled / 2)
    state.refunded, state.settled = state.refunded - refunded, state.settled - settled
    state.taken = state.taken - refunded - settled
end

local function write_state(key, state, now)
    if state.taken > POSITIONS then
        halve_totals(state)
    end
    local last = now
    if state.kind == 'r' and state.amount > 0 then
        last = now + math.min(math.ceil(state.debt / state.amount) * state.period, 400 * DAY_MS)
    elseif state.kind == 'w' then
        last = math.max(now, state.ends)
    end
    state.keep = math.max(state.keep, last + DAY_MS)
    local names = FIELDS[state.kind]
    local texts = {}
    for i = 1, #names do
        texts[i] = num(state[names[i]])
    end
    if state.kind == 'h' then
        texts[#texts + 1] = slots_text(state.slots)
    end
    redis.call('SET', key, table.concat(texts, ' '), 'PX', num(state.keep - now))
end

-- ---- concurrency -------------------------------------------------------------------------------

local function alive_gateways(key, now)
    local alive = {}
    local names = redis.call('ZRANGEBYSCORE', key, num(now - DEAD_AFTER_MS), '+inf')
    for _, gateway in ipairs(names) do
        alive[gateway] = true
    end
    return alive
end

-- Slots of gateways that are dead are dropped, and count no more. (The totals go by the records, as
-- everywhere: theirs are given back at their deadline.)
local function count_slots(state, alive)
    local sum, dropped = 0, false
    for gateway, slot in pairs(state.slots) do
        if alive[gateway] then
            sum = sum + slot.count
        else
            state.slots[gateway] = nil
            dropped = true
        end
    end
    if dropped then
        state.drops = state.drops + 1
    end
    return sum
end

local function take_slots(state, gateway, amount)
    local slot = state.slots[gateway] or {count = 0, since = state.drops}
    slot.count = slot.count + amount
    state.slots[gateway] = slot
    return state.drops
end

local function free_slots(state, part)
    local slot = state.slots[part.gateway]
    if slot and part.position >= slot.since then
        slot.count = math.max(slot.count - part.amount, 0)
    end
end

-- ---- records -----------------------------------------------------------------------------------
-- First line: state step deadline output off, where `output` is what the step granted and `off` the
-- last step that was called off. Then, for each demand that was taken, a part:
--   index kind settles amount former position last marks gateway key
-- settles: 0 it was charged at once, 1 it does, 2 and its key is one over tenants. `former` is what
-- windows before this one granted; `last` what the last step took, at `position`: where a rate's
-- bucket was, a window's start, `drops` of slots. marks: 1 over, 2 crossed, by the last step.
-- States: o open, d done (nothing to settle), c charged in full at its deadline, t called off.

local PART_NUMBERS = {'settles', 'amount', 'former', 'position', 'last', 'marks'}

local function read_part(line)
    local w = words(line)
    local part = {index = tonumber(w[1]), kind = w[2], gateway = w[9], key = w[10]}
    for i, name in ipairs(PART_NUMBERS) do
        part[name] = tonumber(w[i + 2])
    end
    return part
end

-- nil: there is none.
local function read_record(key)
    local text = redis.call('GET', key)
    local record
    for line in string.gmatch(text or '', '[^\n]+') do
        if not record then
            local w = words(line)
            record = {key = key, parts = {}, state = w[1], step = tonumber(w[2]),
                deadline = tonumber(w[3]), output = tonumber(w[4]), off = tonumber(w[5])}
        else
            record.parts[#record.parts + 1] = read_part(line)
        end
    end
    return record
end

local function write_record(record, ttl_ms)
    local lines = {string.format('%s %.0f %.0f %.0f %.0f', record.state, record.step, record.deadline,
        record.output, record.off)}
    for _, part in ipairs(record.parts) do
        lines[#lines + 1] = string.format('%.0f %s %.0f %.0f %.0f %.0f %.0f %.0f %s %s', part.index,
            part.kind, part.settles, part.amount, part.former, part.position, part.last, part.marks,
            part.gateway, part.key)
    end
    redis.call('SET', record.key, table.concat(lines, '\n'), 'PX', num(ttl_ms))
end

local function write_tombstone(key, step)
    local record = {key = key, parts = {}, state = 't', step = step, deadline = 0, output = 0,
        off = step}
    write_record(record, TOMBSTONE_MS)
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

-- Says what a part really used: it is reserved, or was `charged` in full before (slots never are:
-- they were given back then). A key that was lost and began anew knows nothing of it; a window that
-- is over has taken its sums with it.
local function settle_part(part, used, charged, now)
    local text = redis.call('GET', part.key)
    if not text or (charged and part.kind == 'h') then
        return
    end
    local state = read_state(part.kind, text)
    local holder = charged and 'settled' or 'reserved'
    if (part.kind == 'w' and state.start ~= part.position) or state[holder] < part.amount then
        return
    end
    local granted = part.former + part.amount
    local overrun = math.max(used - granted, 0)
    local unused = math.min(math.max(granted - used, 0), part.amount)
    if part.kind == 'h' then
        overrun, unused = 0, part.amount
        free_slots(state, part)
    elseif part.kind == 'r' then
        advance_rate(state, now)
        give_rate_back(state, part.position, part.last, unused)
        take_rate(state, overrun)
    end
    state[holder] = state[holder] - part.amount
    state.taken = state.taken + overrun
    state.refunded = state.refunded + unused
    state.settled = state.settled + part.amount - unused + overrun
    write_state(part.key, state, now)
end

-- Gives back all that a record took.
local function give_back(record, now)
    for _, part in ipairs(record.parts) do
        settle_part(part, 0, record.state == 'c' or part.settles == 0, now)
    end
end

-- At its deadline a reservation is charged in full; slots are given back.
local function charge_overdue(open_key, open_of_all, now, most)
    local keys = redis.call('ZRANGEBYSCORE', open_key, '-inf', num(now), 'LIMIT', '0', num(most))
    for _, key in ipairs(keys) do
        local record = read_record(key)
        if record and record.state == 'o' then
            for _, part in ipairs(record.parts) do
                if part.settles > 0 then
                    settle_part(part, part.former + part.amount, false, now)
                end
            end
            record.state = 'c'
            write_record(record, DAY_MS)
            unlist(record, open_key, open_of_all)
        else
            redis.call('ZREM', open_key, key)
        end
    end
    return #keys
end
