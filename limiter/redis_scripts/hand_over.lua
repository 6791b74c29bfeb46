-- Adds what a gateway counted alone, once. Negative: it had said too much before.
-- KEYS: mark of this hand-over, usage key.
-- ARGV: kind, amount, window start, when that window is over at the latest, rate ("amount/period"
--   or -).
-- Returns: H taken, N taken before, or its window is over.
if not redis.call('SET', KEYS[1], '1', 'NX', 'PX', num(DAY_MS)) then
    return 'N'
end
local now = server_ms()
local kind, amount, start = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local state = read_state(kind, redis.call('GET', KEYS[2]))
if kind == 'w' then
    if start < state.start then
        return 'N'
    end
    if start > state.start and start >= state.ends then
        state = new_window(start, 0)
        state.keep = tonumber(ARGV[4]) + DAY_MS
    end
elseif kind == 'r' then
    advance_rate_by(state, ARGV[5], now)
    if amount > 0 then
        take_rate(state, amount)
    else
        drain(state, math.min(-amount, state.debt))
    end
end
if amount > 0 then
    state.taken, state.settled = state.taken + amount, state.settled + amount
else
    local back = math.min(-amount, state.settled)
    state.settled, state.refunded = state.settled - back, state.refunded + back
end
write_state(KEYS[2], state, now)
return 'H'
