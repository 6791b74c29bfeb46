-- Charges what was used, once: of what was reserved, or instead of the full charge at the deadline.
-- KEYS: record, open of the tenant, open of all, then the usage keys of all demands.
-- ARGV: what each demand used.
-- Returns: S settled, L late (it had been charged in full), N nothing to settle.
local record = read_record(KEYS[1])
if not record or (record.state ~= 'o' and record.state ~= 'c') then
    return 'N'
end
local now, late = server_ms(), record.state == 'c'
for _, part in ipairs(record.parts) do
    if part.settles > 0 then
        settle_part(part, tonumber(ARGV[part.index]), late, now)
    end
end
unlist(record, KEYS[2], KEYS[3])
if record.off > 0 then
    write_tombstone(KEYS[1], record.off) -- a step that was called off may still come
else
    redis.call('DEL', KEYS[1])
end
return late and 'L' or 'S'
