-- A gateway's heartbeat; and what is overdue of some tenants.
-- KEYS: gateways, epoch, then the open reservations of each tenant.
-- ARGV: gateway, first (1: it has not beaten before), known epoch, epoch candidate.
-- Returns: server_ms, lost, epoch, gateways alive, declared dead.
local now = server_ms()
local epoch, lost = check_epoch(KEYS[2], ARGV[3], ARGV[4], now)
local known = redis.call('ZSCORE', KEYS[1], ARGV[1])
local dead = ARGV[2] ~= '1' and (not known or tonumber(known) < now - DEAD_AFTER_MS)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', num(now - DEAD_AFTER_MS))
if not dead then
    redis.call('ZADD', KEYS[1], num(now), ARGV[1])
end
for i = 3, #KEYS do
    charge_overdue(KEYS[i], now, 16)
end
return string.format('%.0f %d %s %d %d', now, lost, epoch, redis.call('ZCARD', KEYS[1]), dead and 1 or 0)
