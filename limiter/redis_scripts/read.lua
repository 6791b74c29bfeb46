-- What a key has counted, and the sum of the open reservations that it is made of, one by one.
-- KEYS: usage key, open of the tenant (or of all, for a key over tenants), open of all, gateways.
-- ARGV: kind, a rate's amount and period (else 0).
-- Returns: used reserved taken settled refunded open.
local OVERDUE_MAX, A_TIME = 4096, 64
local ledger, now = ledger(), server_ms()
local kind = ARGV[1]
local charged = 0
repeat
    local count = ledger.charge_overdue(KEYS[2], KEYS[3], now, A_TIME)
    charged = charged + count
until count < A_TIME or charged >= OVERDUE_MAX

local state = ledger.read_state(kind, redis.call('GET', KEYS[1]))
local used
if kind == 'r' then
    ledger.advance_rate(state, tonumber(ARGV[2]), tonumber(ARGV[3]), now)
    used = state.debt
elseif kind == 'w' then
    if state.ends > 0 and now >= state.ends then
        state = ledger.new_window(0, 0)
    end
    used = math.max(state.reserved + state.settled - state.forgiven, 0)
else
    used = ledger.count_slots(state, ledger.alive_gateways(KEYS[4], now))
end

-- Most records are of other keys: they are told apart before they are taken to pieces.
local function open_in(key)
    local text = redis.call('GET', key)
    if not text then
        redis.call('ZREM', KEYS[2], key)
        return 0
    elseif not string.find(text, KEYS[1], 1, true) then
        return 0
    end
    local record, sum = ledger.read_record(key, text), 0
    for _, part in ipairs(record.state == 'o' and record.parts or {}) do
        if part.settles > 0 and part.key == KEYS[1] and
            (kind ~= 'w' or part.position == state.start) then
            sum = sum + part.amount
        end
    end
    return sum
end

-- Less than nothing is settled while a correction is here before the settlement: see correct.lua.
if state.settled < 0 then
    state.taken, state.settled = state.taken - state.settled, 0
end

local open = 0
for _, key in ipairs(redis.call('ZRANGE', KEYS[2], '0', '-1')) do
    open = open + open_in(key)
end
return string.format('%.0f %.0f %.0f %.0f %.0f %.0f', used, state.reserved, state.taken,
    state.settled, state.refunded, open)
