-- What a gateway had charged to a window before the data was lost, or alone while the store was away, open
-- reservations in full. It may be said again, and may have become less or more since: what counts is what
-- was said last of that window.
-- KEYS: usage key, what this ledger said of it last, epoch.
-- ARGV: epoch that the sum is for, amount, window start, its end.
-- Returns: H taken, N another window counts, E there is another epoch.
local ledger, now = ledger(), server_ms()
if redis.call('GET', KEYS[3]) ~= ARGV[1] then
    return 'E'
end
local amount, start, ends = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
if now >= ends then
    return 'N'
end
local state = ledger.window_at(ledger.read_state('w', redis.call('GET', KEYS[1])), now, start, ends)
if state.start >= ends then
    return 'N'
end
local more = amount - ledger.said_of(KEYS[2], ends)
if more ~= 0 then
    ledger.charge_later(state, more)
    ledger.write_state(KEYS[1], state, now, now)
end
ledger.note_said(KEYS[2], amount, ends, now)
return 'H'
