-- Adds what a gateway counted alone, once. Negative: it had said too much before. Its ledger knows that of
-- windows, too, and hands it in as a part of its sum (hand_in.lua): so what is added here is noted as said.
-- KEYS: mark of this hand-over, usage key; of a window, and where there is a ledger, what it said last.
-- ARGV: kind, amount, window start, its end, a rate's amount and period (else 0).
-- Returns: H taken, N taken before, or its window is over.
if not redis.call('SET', KEYS[1], '1', 'NX', 'PX', DAY_MS) then
    return 'N'
end
local ledger, now = ledger(), server_ms()
local kind, amount, start = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local state, last = ledger.read_state(kind, redis.call('GET', KEYS[2])), now
if kind == 'w' then
    if start < state.start then
        return 'N'
    end
    if start > state.start and start >= state.ends then
        state, last = ledger.new_window(start, 0), tonumber(ARGV[4])
    end
elseif kind == 'r' then
    ledger.advance_rate(state, tonumber(ARGV[5]), tonumber(ARGV[6]), now)
    if amount > 0 then
        ledger.take_rate(state, amount)
    else
        ledger.drain(state, math.min(-amount, state.debt))
    end
end
if amount > 0 then
    state.taken, state.settled = state.taken + amount, state.settled + amount
else
    amount = -math.max(math.min(-amount, state.settled), 0)
    state.settled, state.refunded = state.settled + amount, state.refunded - amount
end
ledger.write_state(KEYS[2], state, now, last)
local ends = tonumber(ARGV[4])
if KEYS[3] and now < ends then
    ledger.note_said(KEYS[3], ledger.said_of(KEYS[3], ends) + amount, ends, now)
end
return 'H'
