-- An ask that is in doubt: given back if it was taken, else a tombstone refuses it when it comes later.
-- KEYS: record, open of the tenant, open of all, then the usage keys of all demands.
-- ARGV: step.
-- Returns: G given back, T tombstone laid.
local TOMBSTONE_MS = 3600000
local text = redis.call('GET', KEYS[1])
local record = text and read_record(text)
local taken = record and record.step == tonumber(ARGV[1]) and (record.state == 'o' or record.state == 'd')
if taken then
    local now = server_ms()
    for _, part in ipairs(record.parts) do
        if part.settles then
            settle_part(part, 0, false, now)
        else
            take_back(part, now)
        end
        if part.shared then
            redis.call('ZREM', KEYS[3], KEYS[1])
        end
    end
    redis.call('ZREM', KEYS[2], KEYS[1])
end
redis.call('SET', KEYS[1], 't ' .. ARGV[1] .. ' 0', 'PX', num(TOMBSTONE_MS))
return taken and 'G' or 'T'
