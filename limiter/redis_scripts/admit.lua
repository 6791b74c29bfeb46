-- Asks for all demands of a reservation, or extends it: all or nothing.
-- KEYS: record, open of the tenant, open of all, gateways, epoch, then a usage key for each demand.
-- ARGV: one text, packed: step, extends (1; 0: it asks), lifetime, output wanted, share, gateway, known
--   epoch, epoch candidate; then for each demand: kind, deny (1), settles (see records), warn mark
--   (0: none), fixed, per output, whole, and   r: amount period 0   w: start end next_end   h: 0 0 0
-- Returns, packed: verdict (A admitted, R refused, C called off before, K clock off, L the data is lost
--   and its windows with it: nothing is taken before who asks knows that), server_ms, lost,
--   output granted, epoch; then, of A and R, for each demand: marks (1 over, 2 crossed, 4 refused),
--   amount (granted; or for which there is no room), and what there is now:
--   r: debt fraction   w: left end   h: left 0
--   What follows from that, such as when there will be room, is left to who asks.
--
-- All requests come through here. So it makes few functions and no tables of names: what it counts
-- with is in locals, which cost a tenth of a table's field.
local VERDICT, DEMAND, ANSWER = '<c1dBds', '<c1BBddddddd', '<Bddd'
local DONE_MS = '60000' -- how long what needs no settlement is remembered, for a call-off

local now, now_digits = server_ms()
local asked, count = ARGV[1], #KEYS - 5
local step, extends, lifetime, want, share, gateway, known, candidate, first =
    struct.unpack('<dddddsss', asked)
local asks = extends == 0
local epoch, lost = check_epoch(KEYS[5], known, candidate, now_digits)

if lost == 1 and asks then
    local at, kind, _ = first
    for _ = 1, count do
        kind, _, _, _, _, _, _, _, _, _, at = struct.unpack(DEMAND, asked, at)
        if kind == 'w' then
            return struct.pack(VERDICT, 'L', now, lost, 0, epoch)
        end
    end
end

-- ---- what was before ---------------------------------------------------------------------------

local books -- the ledger, once it is needed
local overdue = redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', now_digits, 'LIMIT', '0', '4')
for i = 1, #overdue do
    books = books or ledger()
    books.charge_in_full(overdue[i], KEYS[2], KEYS[3], now)
end

local record, off = redis.call('GET', KEYS[1]), 0
if record then
    books = books or ledger()
    record = books.read_record(KEYS[1], record)
    off = record.off
    if step <= off then
        return struct.pack(VERDICT, 'C', now, lost, 0, epoch)
    end
    record = record.state ~= 't' and record
end
if not asks and (not record or record.state == 'c') then
    return struct.pack(VERDICT, 'R', now, lost, 0, epoch)
end
-- The step was taken before: the same answer again, by the parts that it took; of an older one, nothing
-- is granted twice.
local repeated = record and step <= record.step and {output = 0}
if repeated and step == record.step then
    repeated.output = record.output
    for _, part in ipairs(record.parts) do
        repeated[part.index] = part
    end
end
if record and asks and not repeated then
    -- Who asks anew has not heard that it was admitted: that is called off, unless the clock is.
    local at, kind, from, next_to, _ = first
    for _ = 1, count do
        kind, _, _, _, _, _, _, from, _, next_to, at = struct.unpack(DEMAND, asked, at)
        if kind == 'w' and (now < from or now >= next_to) then
            return struct.pack(VERDICT, 'K', now, lost, 0, epoch)
        end
    end
    books.give_back(record, now, 5)
    books.unlist(record, KEYS[2], KEYS[3])
    redis.call('DEL', KEYS[1])
    record, off = false, record.step
end

-- ---- what there is room for --------------------------------------------------------------------

-- The least output that is granted, if any is wanted, is one token: for a share of what is left to be
-- that, so many have to be left. What the tightest rule has room for is granted.
local output, least = want, want
if share > 0 and want > 0 then
    local at = first
    books, least = books or ledger(), share
    for i = 1, count do
        local kind, deny, settles, _, fixed, per_output, whole, from, to, next_to
        kind, deny, settles, _, fixed, per_output, whole, from, to, next_to, at =
            struct.unpack(DEMAND, asked, at)
        if deny == 1 and per_output > 0 and (asks or settles > 0) then
            local left = books.left_of(kind, KEYS[5 + i], now, whole, from, to, next_to)
            local room = math.max(left - fixed, 0)
            output = math.min(output, math.floor(math.floor(room / share) / per_output))
        end
    end
end

-- ---- the step ----------------------------------------------------------------------------------

local alive, is_known_alive, listed, deadline = false, true, 0, now + lifetime
if record and record.deadline > deadline then
    deadline = record.deadline
end
local answers, parts, texts, expiries -- the first two begin with a head
local helds = {} -- states of slots, which are written by the ledger
local takes = not repeated
repeat
    -- As if all had room. If one has none, all are looked at again, to tell what they have: each has
    -- its answer, whatever the first one says.
    local fit, at = true, first
    answers, parts = {false, false, false, false, false}, {false, false, false, false, false}
    texts, expiries = {false, false, false, false}, {false, false, false, false}
    for i = 1, count do
        local kind, deny, settles, mark, fixed, per_output, whole, from, to, next_to
        kind, deny, settles, mark, fixed, per_output, whole, from, to, next_to, at =
            struct.unpack(DEMAND, asked, at)
        local key = KEYS[5 + i]
        local text = redis.call('GET', key)
        local taken, settled, refunded, reserved, keep, used, rest
        local fraction, drained, filled, start, forgiven, held

        -- what there is
        if kind == 'r' then
            taken, settled, refunded, reserved, keep, used, fraction, filled, drained =
                struct.unpack(RATE, text or NOTHING)
            if now > filled then
                local whole_units
                whole_units, fraction = refill(now - filled, from, fraction, to)
                if whole_units >= used then
                    whole_units, fraction = used, 0
                end
                used, filled = used - whole_units, now
                drained = (drained + whole_units % 2^52) % 2^52
            end
            rest = fraction
        elseif kind == 'w' then
            if now >= to then
                from, to = to, next_to
            end
            if now < from or now >= to then
                return struct.pack(VERDICT, 'K', now, lost, 0, epoch)
            end
            taken, settled, refunded, reserved, keep, start, rest, forgiven =
                struct.unpack(WINDOW, text or NOTHING)
            if not text or is_window_over(start, rest, now, from, to) then
                taken, settled, refunded, reserved, keep, forgiven = 0, 0, 0, 0, 0, 0
                start, rest, text = from, to, false
            elseif rest == 0 then
                rest = to
            end
            used = reserved + settled - forgiven
        else
            if not alive then
                -- One that asks is alive, whatever became of its heartbeats: its slots must count.
                books = books or ledger()
                alive = books.alive_gateways(KEYS[4], now)
                is_known_alive, alive[gateway] = alive[gateway], true
            end
            held, rest = books.read_state('h', text), 0
            used = books.count_slots(held, alive)
            taken, settled, reserved, keep = held.taken, held.settled, held.reserved, held.keep
        end

        -- what is taken
        local concerned = asks or (settles > 0 and kind ~= 'h')
        local left, marks, amount = used < whole and whole - used or 0, 0, 0
        if concerned and not repeated then
            local needed = fixed + least * per_output
            needed = needed <= AMOUNT_MAX and needed or AMOUNT_MAX + 1
            if deny == 1 and needed > left then
                fit, marks, amount = false, 4, needed
            end
        end
        if takes and not fit then
            break
        end
        listed = settles > listed and settles or listed
        if takes and concerned then
            amount = fixed + output * per_output
            amount = amount <= AMOUNT_MAX and amount or AMOUNT_MAX + 1
            local before, position = used > 0 and used or 0, start
            used, taken = used + amount, taken + amount
            if settles > 0 then
                reserved = reserved + amount
            else
                settled = settled + amount
            end
            if kind == 'r' then
                used = used < 2^53 and used or 2^53 - 1
                position = (drained + used % 2^52) % 2^52
            elseif kind == 'h' then
                position = books.take_slots(held, gateway, amount)
            end
            -- Of what an operator should hear: it does not fit; this very step passes a mark.
            marks = amount > left and 1 or 0
            if (mark > 0 and before < mark and used >= mark) or
                (deny == 0 and before <= whole and used > whole) then
                marks = marks + 2
            end
            left = used < whole and whole - used or 0
            if asks then
                parts[i + 1] = struct.pack(PART, i, settles, marks, kind, amount, 0, position, amount,
                    settles > 0 and key or '')
            else
                books.extend_part(record, i, amount, position, marks)
            end
        end
        if repeated and repeated[i] and concerned then
            amount, marks = repeated[i].last, repeated[i].marks
        end
        answers[i + 1] = struct.pack(ANSWER, marks, amount, kind == 'r' and used or left, rest)

        -- what is written
        if not takes or not (concerned or (settles > 0 and keep < deadline + DAY_MS)) then
            -- nothing
        elseif kind == 'h' then
            held.taken, held.settled, held.reserved, helds[i] = taken, settled, reserved, held
        else
            local last = deadline
            if taken > 2^52 then
                books = books or ledger()
                taken, settled, refunded = books.halve_totals(taken, settled, refunded, kind)
            end
            if kind == 'r' then
                local drains = used / from * to
                drains = now + (drains < 400 * DAY_MS and drains or 400 * DAY_MS)
                last = drains > last and math.ceil(drains) or last
            else
                last = rest > last and rest or last
            end
            if keep < last + DAY_MS then
                keep = last + DAY_MS + HOUR_MS
                expiries[i] = keep - now
            end
            texts[i] = kind == 'r' and struct.pack(RATE, taken, settled, refunded, reserved, keep, used,
                fraction, filled, drained, from, to) or
                struct.pack(WINDOW, taken, settled, refunded, reserved, keep, start, rest, forgiven)
        end
    end
    local over = fit or not takes
    takes = takes and fit
until over

answers[1] = struct.pack(VERDICT, (takes or repeated) and 'A' or 'R', now, lost,
    takes and output or repeated and repeated.output or 0, epoch)
if not takes then
    return table.concat(answers, '', 1, count + 1)
end

for i = 1, count do
    local text, expiry = texts[i], expiries[i]
    if text and expiry then
        redis.call('SET', KEYS[5 + i], text, 'PX', expiry)
    elseif text then
        redis.call('SETRANGE', KEYS[5 + i], '0', text)
    elseif helds[i] then
        books.write_state(KEYS[5 + i], helds[i], now, deadline)
    end
end
if not is_known_alive then
    redis.call('ZADD', KEYS[4], now_digits, gateway)
end

local expiry = off > 0 and HOUR_MS or DONE_MS
if listed > 0 then
    expiry = deadline - now + DAY_MS
    for i = 2, listed == 2 and 3 or 2 do -- the indexes of open reservations
        redis.call('ZADD', KEYS[i], deadline, KEYS[1])
        if redis.call('PTTL', KEYS[i]) < expiry then
            redis.call('PEXPIRE', KEYS[i], expiry + HOUR_MS)
        end
    end
end
if record then
    record.step, record.output, record.deadline = step, output, deadline
    redis.call('SET', KEYS[1], books.record_text(record), 'PX', expiry)
else
    parts[1] = struct.pack(RECORD, listed > 0 and 'o' or 'd', step, deadline, output, off, gateway)
    redis.call('SET', KEYS[1], table.concat(parts, '', 1, count + 1), 'PX', expiry)
end
return table.concat(answers, '', 1, count + 1)
