-- An operator's change of what is used: the totals, which say what was charged, stay.
-- KEYS: usage key.
-- ARGV: reset or raise, kind, rate, amount, window start, window end.
-- Returns: C changed, N nothing was used.
local now = server_ms()
local kind, amount = ARGV[2], tonumber(ARGV[4])
local text = redis.call('GET', KEYS[1])
if not text or kind == 'h' then
    return 'N'
end
local state = read_state(kind, text)
if kind == 'r' then
    advance_part(state, {rate = ARGV[3]}, now)
    drain(state, ARGV[1] == 'raise' and math.min(amount, state.debt) or math.max(state.debt - state.reserved, 0))
else
    local first = now >= tonumber(ARGV[6]) and tonumber(ARGV[6]) or tonumber(ARGV[5])
    if state.start < first then
        return 'N'
    end
    state.forgiven = ARGV[1] == 'raise' and state.forgiven + amount or state.settled
end
write_state(KEYS[1], state, ttl_of(state, ARGV[3]))
return 'C'
