-- What was charged to a window turned out to be more, or less: the sum of all that a ledger knows of. It
-- may be said again, and an older one come late: what counts is the newest.
-- KEYS: usage key, what this ledger said of it last, epoch.
-- ARGV: epoch that counts it, sum, since when the ledger sums up (ms), its edition, window start, its end.
-- Returns: H taken, O it is known or older, N another window counts, E there is another epoch.
local SAID = '<ddd' -- since, edition, sum
local ledger, now = ledger(), server_ms()
if redis.call('GET', KEYS[3]) ~= ARGV[1] then
    return 'E'
end
local sum, since, edition = tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local start, ends = tonumber(ARGV[5]), tonumber(ARGV[6])
if now >= ends then
    return 'N'
end
local known_since, known_edition, said = struct.unpack(SAID, redis.call('GET', KEYS[2]) or NOTHING)
if since < known_since or since == known_since and edition <= known_edition then
    return 'O'
end
local state = ledger.window_at(ledger.read_state('w', redis.call('GET', KEYS[1])), now, start, ends)
if state.start >= ends then
    return 'N'
end
local more = sum - (since == known_since and said or 0)
ledger.charge_later(state, more)
ledger.write_state(KEYS[1], state, now, now)
redis.call('SET', KEYS[2], struct.pack(SAID, since, edition, sum), 'PX', ends - now + DAY_MS)
return 'H'
