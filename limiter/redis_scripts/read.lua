-- What a key has counted, and the sum of the open reservations that it is made of, one by one.
-- KEYS: usage key, open reservations (the tenant's, or those of keys over tenants), gateways.
-- ARGV: kind, rate, window start, window end, end of the next.
-- Returns: used reserved taken settled refunded open.
local now = server_ms()
local kind = ARGV[1]
for _ = 1, 64 do
    local before = redis.call('ZCOUNT', KEYS[2], '-inf', num(now))
    if before == 0 then
        break
    end
    charge_overdue(KEYS[2], now, 64)
end
local state = read_state(kind, redis.call('GET', KEYS[1]))
local used
if kind == 'r' then
    advance_part(state, {rate = ARGV[2]}, now)
    used = state.debt
elseif kind == 'w' then
    local first = now >= tonumber(ARGV[4]) and tonumber(ARGV[4]) or tonumber(ARGV[3])
    if state.start < first then
        state = read_state('w', nil)
        state.start = first
    end
    used = math.max(state.reserved + state.settled - state.forgiven, 0)
else
    used = count_slots(state, alive_gateways(KEYS[3], now))
end
local open = 0
for _, key in ipairs(redis.call('ZRANGE', KEYS[2], '0', '-1')) do
    local text = redis.call('GET', key)
    local record = text and read_record(text)
    if record and record.state == 'o' then
        for _, part in ipairs(record.parts) do
            if part.settles and part.key == KEYS[1] and (kind ~= 'w' or part.position == state.start) then
                open = open + part.amount
            end
        end
    else
        redis.call('ZREM', KEYS[2], key)
    end
end
return string.format('%.0f %.0f %.0f %.0f %.0f %.0f', used, state.reserved, state.taken, state.settled,
    state.refunded, open)
