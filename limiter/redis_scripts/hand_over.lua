-- Adds what a gateway counted alone, once. Negative: it had said too much before.
-- KEYS: mark of this hand-over, usage key.
-- ARGV: kind, amount, window start, rate ("amount/period" or -).
-- Returns: H taken, N taken before, or its window is over.
if not redis.call('SET', KEYS[1], '1', 'NX', 'PX', num(DAY_MS)) then
    return 'N'
end
local now = server_ms()
local kind, amount, start = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local text = redis.call('GET', KEYS[2])
local state = read_state(kind, text)
if kind == 'w' then
    if state.start > start then
        return 'N'
    end
    if state.start < start then
        state = read_state('w', nil)
        state.start = start
    end
elseif kind == 'r' then
    advance_part(state, {rate = ARGV[4]}, now)
    if amount > 0 then
        take_rate(state, amount)
    else
        drain(state, math.min(-amount, state.debt))
    end
end
if amount > 0 then
    state.taken = state.taken + amount
    state.settled = state.settled + amount
else
    local back = math.min(-amount, state.settled)
    state.settled = state.settled - back
    state.refunded = state.refunded + back
end
write_state(KEYS[2], state, ttl_of(state, ARGV[4]))
return 'H'
