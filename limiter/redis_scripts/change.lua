-- An operator's change of what is used: the totals, which say what was charged, stay.
-- KEYS: usage key.
-- ARGV: reset or raise, kind, rate ("amount/period" or -), amount.
-- Returns: C changed, N nothing was used.
local now = server_ms()
local raises, kind, amount = ARGV[1] == 'raise', ARGV[2], math.min(tonumber(ARGV[4]), AMOUNT_MAX)
local text = redis.call('GET', KEYS[1])
if not text or kind == 'h' then
    return 'N'
end
local state = read_state(kind, text)
if kind == 'r' then
    advance_rate_by(state, ARGV[3], now)
    local settled = math.max(state.debt - state.reserved, 0)
    drain(state, math.min(raises and amount or settled, state.debt))
elseif window_is_over(state, now, state.start) then
    return 'N'
elseif raises then
    local most = state.reserved + state.settled + AMOUNT_MAX
    state.forgiven = math.min(state.forgiven + amount, most)
else
    state.forgiven = state.settled
end
write_state(KEYS[1], state, now)
return 'C'
