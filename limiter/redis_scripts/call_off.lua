-- An ask that is in doubt: given back if it was taken, else a tombstone refuses it when it comes
-- later. A later step of the same reservation is left alone.
-- KEYS: record, open of the tenant, open of all, then the usage keys of all demands.
-- ARGV: step.
-- Returns: G given back, T tombstone laid, N a later step was taken.
local ledger = ledger()
local step = tonumber(ARGV[1])
local record = ledger.find_record(KEYS[1])
if record and record.state ~= 't' and record.step == step then
    ledger.give_back(record, server_ms(), 3)
    ledger.unlist(record, KEYS[2], KEYS[3])
    ledger.write_tombstone(KEYS[1], step)
    return 'G'
end
if record and record.state ~= 't' then
    return 'N'
end
ledger.write_tombstone(KEYS[1], math.max(step, record and record.off or 0))
return 'T'
