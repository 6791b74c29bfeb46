-- Charges what was used, once: of what was reserved, or instead of the full charge at the deadline.
-- KEYS: record, open of the tenant, open of all, then the usage keys of all demands.
-- ARGV: what each demand used, packed.
-- Returns: S settled, L late (it had been charged in full), N nothing to settle.
local ledger = ledger()
local record = ledger.find_record(KEYS[1])
if not record or (record.state ~= 'o' and record.state ~= 'c') then
    return 'N'
end
local now, late = server_ms(), record.state == 'c'
for _, part in ipairs(record.parts) do
    if part.settles > 0 then
        local used = struct.unpack('<d', ARGV[1], 8 * part.index - 7)
        ledger.settle_part(record, part, used, late, now)
    end
end
ledger.unlist(record, KEYS[2], KEYS[3])
if record.off > 0 then
    ledger.write_tombstone(KEYS[1], record.off) -- a step that was called off may still come
else
    redis.call('DEL', KEYS[1])
end
return late and 'L' or 'S'
