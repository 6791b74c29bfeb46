-- An operator's change of what is used: the totals, which say what was charged, stay.
-- KEYS: usage key.
-- ARGV: reset or raise, kind, a rate's amount and period (else 0), amount, window start, its end, the
--   next's.
-- Returns: C changed, N there is nothing to change, K clock off.
local ledger, now = ledger(), server_ms()
local raises, kind, amount = ARGV[1] == 'raise', ARGV[2], tonumber(ARGV[5])
local state = ledger.read_state(kind, redis.call('GET', KEYS[1]))
if kind == 'h' or not state.size and not (kind == 'w' and raises) then
    return 'N'
end
if kind == 'r' then
    ledger.advance_rate(state, tonumber(ARGV[3]), tonumber(ARGV[4]), now)
    local settled = math.max(state.debt - state.reserved, 0)
    ledger.drain(state, math.min(raises and amount or settled, state.debt))
else
    local start, ends = tonumber(ARGV[6]), tonumber(ARGV[7])
    if now >= ends then
        start, ends = ends, tonumber(ARGV[8])
    end
    if now < start or now >= ends then
        return 'K'
    end
    state = ledger.window_at(state, now, start, ends)
    if raises then
        local most = state.reserved + state.settled + AMOUNT_MAX
        state.forgiven = math.min(state.forgiven + math.min(amount, AMOUNT_MAX), most)
    else
        state.forgiven = state.settled
    end
end
ledger.write_state(KEYS[1], state, now, now)
return 'C'
