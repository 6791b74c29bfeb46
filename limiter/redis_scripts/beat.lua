-- A gateway's heartbeat; and what is overdue, of some tenants and over tenants.
-- KEYS: gateways, epoch, open of all, then the open reservations of each tenant.
-- ARGV: gateway, first (1: it has not beaten before), known epoch, epoch candidate.
-- Returns: server_ms, lost, epoch, gateways alive, declared dead.
local OVERDUE_A_TENANT = 16
local ledger = ledger()
local now, digits = server_ms()
local epoch, lost = check_epoch(KEYS[2], ARGV[3], ARGV[4], digits)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', string.format('(%.0f', now - DEAD_AFTER_MS))
local dead = ARGV[2] ~= '1' and not redis.call('ZSCORE', KEYS[1], ARGV[1])
if not dead then
    redis.call('ZADD', KEYS[1], digits, ARGV[1])
end
for i = 3, #KEYS do
    ledger.charge_overdue(KEYS[i], KEYS[3], now, OVERDUE_A_TENANT)
end
local count = redis.call('ZCARD', KEYS[1])
return string.format('%s %d %s %d %d', digits, lost, epoch, count, dead and 1 or 0)
