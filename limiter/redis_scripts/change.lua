-- An operator's change of what is used: the totals, which say what was charged, stay.
-- KEYS: usage key.
-- ARGV: reset or raise, kind, rate ("amount/period" or -), amount, window start, its end, the next's.
-- Returns: C changed, N there is nothing to change, K clock off.
local now = server_ms()
local raises, kind, amount = ARGV[1] == 'raise', ARGV[2], math.min(tonumber(ARGV[4]), AMOUNT_MAX)
local text = redis.call('GET', KEYS[1])
local state = read_state(kind, text)
if kind == 'h' or not text and not (kind == 'w' and raises) then
    return 'N'
end
if kind == 'r' then
    advance_rate_by(state, ARGV[3], now)
    local settled = math.max(state.debt - state.reserved, 0)
    drain(state, math.min(raises and amount or settled, state.debt))
else
    local start, ends = tonumber(ARGV[5]), tonumber(ARGV[6])
    if now >= ends then
        start, ends = ends, tonumber(ARGV[7])
    end
    if now < start or now >= ends then
        return 'K'
    end
    state = window_at(text, state, now, start, ends)
    if raises then
        local most = state.reserved + state.settled + AMOUNT_MAX
        state.forgiven = math.min(state.forgiven + amount, most)
    else
        state.forgiven = state.settled
    end
end
write_state(KEYS[1], state, now)
return 'C'
