-- reopen: makes the status of dead letters ready for another round, before requeue.
--
-- KEYS   1 … n  status of each mail
-- ARGV   1 how long an unsettled status lives, ms; then the owner of each
-- Returns one text for each: ok; foreign (another job owns the key); <status> (it is not failed or
--        held); error <text> (the key is not a hash)
-- Slot   the mail's; all KEYS of one call are in one slot.
-- Repeat The second call answers queued and changes nothing.
--
-- The timeline stays and its numbers go on; the tries of each provider begin anew. A mail that was
-- ever unknown stays with its provider.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local out = {}
for i, key in ipairs(KEYS) do
	local seen = redis.pcall('HMGET', key, 'owner', 'status')
	if seen.err then
		out[i] = 'error ' .. seen.err
	elseif not seen[2] then
		out[i] = 'ok' -- its status has run out: begin makes it anew
	elseif seen[1] ~= ARGV[i + 1] then
		out[i] = 'foreign'
	elseif seen[2] ~= 'failed' and seen[2] ~= 'held' then
		out[i] = seen[2]
	else
		redis.call('HDEL', key, 'tries', 'error', 'next_attempt_at')
		redis.call('HSET', key, 'status', 'queued', 'created_at', now, 'updated_at', now)
		redis.call('PEXPIREAT', key, now + tonumber(ARGV[1]))
		out[i] = 'ok'
	end
end
return out
