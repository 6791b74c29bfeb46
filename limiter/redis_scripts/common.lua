-- What all scripts share. All numbers are whole and at most 2^53, where doubles are exact; tostring()
-- and `..` keep 14 digits, so no number is made text by them (redis.call() writes all digits). The
-- arithmetic is that of bucket.c and cell.c, whose comments say why.
--
-- The store has one core, and an admission is its unit of work. So states, records, asks and verdicts
-- are packed by struct, little-endian (d: a double, B: a byte, s: a text that ends in a zero), instead
-- of text that is parsed; and as each run makes anew all functions that a script declares, those that
-- an admission seldom needs are in ledger.lua.
local DAY_MS, HOUR_MS, DEAD_AFTER_MS = 86400000, 3600000, 30000
local AMOUNT_MAX = 9000000000000000

-- As a number and in digits.
local function server_ms()
    local time = redis.call('TIME')
    local digits = time[1] .. string.sub('00000' .. time[2], -6, -4)
    return tonumber(digits), digits
end

-- The epoch is made when data begins. Gone, or another one than the asker knows: data was lost.
local function check_epoch(key, known, candidate, digits)
    local epoch = redis.call('GET', key)
    if not epoch then
        epoch = string.sub(redis.sha1hex(candidate .. digits), 1, 16)
        redis.call('SET', key, epoch)
    end
    return epoch, (known ~= '-' and known ~= epoch) and 1 or 0
end

-- ---- states ------------------------------------------------------------------------------------
-- A key's count: five numbers that all kinds have, then those of its kind: r a rate, w a window,
-- h what is held (slots):
--   taken settled refunded reserved keep   r: debt fraction at drained amount period
--                                          w: start ends forgiven   h: drops, and the slots
-- `keep` is when it may go: never before a deadline, the end of its window, or the end of its debt. A
-- window's `ends` is 0 where it is not known yet. Slots are by gateway, each with `count` and `since`;
-- `drops` counts how often those of a dead gateway were dropped, and `since` is what it was when that
-- gateway's began: older ones are gone.
local RATE, WINDOW, HELD, SLOT = '<ddddddddddd', '<dddddddd', '<dddddd', '<sdd'
local NOTHING = '\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0' ..
    '\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0'

-- What drains of a rate is floor((elapsed * amount + fraction) / period), and the rest is its
-- fraction, exactly. Where that passes 2^52: whole periods first, then the amount in two parts, so
-- that no product passes 2^53. (What passes it in sum is more than any debt.)
local function refill(elapsed, amount, fraction, period)
    local all = elapsed * amount + fraction
    if all < 2^52 then
        local rest = all % period
        return (all - rest) / period, rest
    end
    local periods = math.floor(elapsed / period)
    elapsed = elapsed - periods * period
    local high = math.floor(amount / 2^27)
    local whole = math.floor(high * elapsed / period)
    local low = (high * elapsed - whole * period) * 2^27 + (amount - high * 2^27) * elapsed + fraction
    local rest = low % period
    return periods * amount + whole * 2^27 + (low - rest) / period, rest
end

-- Does another window than the key's count now, the present one being from `from` to `to`? The key's
-- runs to its end; one that was found far in the future, the clock being set back, is none.
local function is_window_over(start, ends, now, from, to)
    return (ends > 0 and now >= ends) or start > to or (ends == 0 and start < from)
end

-- ---- records -----------------------------------------------------------------------------------
-- What a reservation has taken: state step deadline output off gateway, where `output` is what the
-- step granted, `off` the last step that was called off, and `gateway` whose slots it holds. Then, for
-- each demand that was taken, a part:
--   index settles marks kind amount former position last key
-- settles: 0 it was charged at once, 1 it does, 2 and its key is one over tenants. `former` is what
-- windows before this one granted; `last` what the last step took, at `position`: where a rate's
-- bucket was, a window's start, `drops` of slots. marks: 1 over, 2 crossed, by the last step.
-- States: o open, d done (nothing to settle), c charged in full at its deadline, t called off.
local RECORD, PART = '<c1dddds', '<BBBc1dddds'
