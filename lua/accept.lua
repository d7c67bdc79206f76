-- accept: writes the statuses of mails that the API is about to push, and tells what is known of them.
--
-- KEYS   1 … n  status of each mail
-- ARGV   1 how long an unsettled status lives, ms
--        then for each mail 5: fingerprint, to, subject, sendAt (ms since 1970, 0 none), delay (ms)
-- Returns for each mail a list, its first text
--        new                it is queued now: push it
--        again              it was queued already, and no worker has it yet: push it again, for whoever
--                           wrote the status may have died before the push (a worker drops doubles)
--        known              it goes its own way: do not push it
--        conflict           the key belongs to another mail
--        error <text>       the key is not a hash
--        and with again and known: status, provider, attempts, message_id, created_at, updated_at, error
-- Slot   the mail's; all KEYS of one call are in one slot.
-- Repeat The second call answers `again` where the first one said `new`, and changes nothing.
--
-- Takes no ownership: the first worker's claim does (status.lib). So whichever of several pushes is
-- claimed first gets the mail, and the others are its duplicates.
local ttl = tonumber(ARGV[1])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local out = {}

local function accept(i)
	local a = 2 + (i - 1) * 5
	local key = KEYS[i]
	local seen = redis.pcall('HMGET', key, 'owner', 'fingerprint', 'status', 'provider', 'attempts',
		'message_id', 'created_at', 'updated_at', 'error')
	if seen.err then
		return { 'error ' .. seen.err }
	end
	local owner, fingerprint, status = seen[1], seen[2], seen[3]
	-- Only a note why a job under this key was not valid: it owns nothing.
	local note = status == 'failed' and not owner
	if status and not note then
		if fingerprint and fingerprint ~= ARGV[a] then
			return { 'conflict' }
		end
		local known = { not owner and status == 'queued' and 'again' or 'known' }
		for k = 3, 9 do
			known[k - 1] = seen[k] or ''
		end
		return known
	end
	local due = math.max(tonumber(ARGV[a + 3]), now + tonumber(ARGV[a + 4]))
	if note then
		redis.call('DEL', key)
	end
	redis.call('HSET', key, 'status', 'queued', 'fingerprint', ARGV[a], 'to', ARGV[a + 1], 'subject',
		ARGV[a + 2], 'created_at', now, 'updated_at', now)
	redis.call('PEXPIREAT', key, due + ttl)
	return { 'new' }
end

for i = 1, #KEYS do
	out[i] = accept(i)
end
return out
