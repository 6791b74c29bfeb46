-- Charges what was used, once.
-- KEYS: record, open of the tenant, open of all, then the usage keys of all demands.
-- ARGV: what each demand used.
-- Returns: S settled, L late (it had been charged in full), N nothing to settle.
local text = redis.call('GET', KEYS[1])
local record = text and read_record(text)
if not record or (record.state ~= 'o' and record.state ~= 'c') then
    return 'N'
end
local now = server_ms()
for _, part in ipairs(record.parts) do
    local charged = record.state == 'c'
    if part.settles and not (charged and part.kind == 'h') then
        settle_part(part, tonumber(ARGV[part.index]), charged, now)
    end
    if part.shared then
        redis.call('ZREM', KEYS[3], KEYS[1])
    end
end
redis.call('ZREM', KEYS[2], KEYS[1])
redis.call('DEL', KEYS[1])
return record.state == 'o' and 'S' or 'L'
