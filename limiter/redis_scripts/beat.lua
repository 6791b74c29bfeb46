-- A gateway's heartbeat; what is overdue, of some tenants and over tenants; and, after data was lost, who
-- has handed in what it had charged before.
-- KEYS: gateways, epoch, open of all, refill, then the open reservations of each tenant.
-- ARGV: gateway, first (1: it has not beaten before), known epoch, epoch candidate, gateways that were
--   known when data was lost (0: nothing is known of a loss), who hands in, has it (1).
-- Returns: server_ms, lost, epoch, gateways alive, declared dead, gateways that have to hand in, those
--   that have, and for how many ms they are waited for.
local OVERDUE_A_TENANT, WAIT_MS = 16, 60000
local ledger = ledger()
local now, digits = server_ms()
local epoch, lost = check_epoch(KEYS[2], ARGV[3], ARGV[4], digits)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('(%.0f', now - DEAD_AFTER_MS))
local dead = ARGV[2] ~= '1' and not redis.call('ZSCORE', KEYS[1], ARGV[1])
if not dead then
    redis.call('ZADD', KEYS[1], digits, ARGV[1])
end
ledger.charge_overdue(KEYS[3], KEYS[3], now, OVERDUE_A_TENANT)
for i = 5, #KEYS do
    ledger.charge_overdue(KEYS[i], KEYS[3], now, OVERDUE_A_TENANT)
end
local count = redis.call('ZCARD', KEYS[1])

-- The first that tells of the loss begins the time that all are waited for.
local known, handed, wait = tonumber(ARGV[5]), 0, 0
local needed = tonumber(redis.call('HGET', KEYS[4], 'needed') or 0)
if lost == 0 and known > 0 and needed == 0 then
    redis.call('HSET', KEYS[4], 'since', digits)
    redis.call('PEXPIRE', KEYS[4], 2 * WAIT_MS)
end
if lost == 0 and known > needed then
    needed = known
    redis.call('HSET', KEYS[4], 'needed', ARGV[5])
end
if needed > 0 then
    if ARGV[7] == '1' then
        redis.call('HSET', KEYS[4], 'by:' .. ARGV[6], '1')
    end
    handed = redis.call('HLEN', KEYS[4]) - 2
    wait = math.max(tonumber(redis.call('HGET', KEYS[4], 'since')) + WAIT_MS - now, 0)
end
return string.format('%s %d %s %d %d %.0f %.0f %.0f', digits, lost, epoch, count, dead and 1 or 0,
    needed, handed, wait)
