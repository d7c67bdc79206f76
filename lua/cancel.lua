-- cancel: ends a mail that no provider has yet.
--
-- KEYS   1 … n  status of each mail
-- ARGV   1 how long an unsettled status lives, ms
-- Returns one text for each: cancelled; none (nothing is known of it); <status>, when it is too late;
--        error <text> (the key is not a hash)
-- Slot   the mail's; all KEYS of one call are in one slot.
-- Repeat The second call answers cancelled, too, and changes nothing.
--
-- The job stays where it is: whoever claims it finds the status and drops it. So the status must live
-- as long as the job may wait, and is never cut short. A mail whose last attempt is unknown may have
-- been sent: it is too late for it.
local ttl = tonumber(ARGV[1])
local OPEN = { queued = true, scheduled = true, retrying = true }
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local out = {}

for i, key in ipairs(KEYS) do
	local seen = redis.pcall('HMGET', key, 'status', 'pinned')
	if seen.err then
		out[i] = 'error ' .. seen.err
	elseif not seen[1] then
		out[i] = 'none'
	elseif not OPEN[seen[1]] or seen[2] then
		out[i] = seen[1]
	else
		redis.call('HDEL', key, 'next_attempt_at')
		redis.call('HSET', key, 'status', 'cancelled', 'updated_at', now)
		if redis.call('PTTL', key) < ttl then
			redis.call('PEXPIRE', key, ttl)
		end
		out[i] = 'cancelled'
	end
end
return out
