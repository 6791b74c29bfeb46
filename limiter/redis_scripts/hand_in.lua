-- What a gateway had charged to a window before the data was lost, open reservations in full. It may be
-- said again, and may have become less or more since: what counts is what was said last.
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
local said = tonumber(redis.call('GET', KEYS[2]) or 0)
local more = amount - said
if more ~= 0 then
    state.taken = math.max(state.taken + more, 0)
    state.settled = math.max(state.settled + more, 0)
    ledger.write_state(KEYS[1], state, now, now)
end
redis.call('SET', KEYS[2], string.format('%.0f', amount), 'PX', ends - now + DAY_MS)
return 'H'
