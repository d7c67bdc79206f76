-- status.lib: what peek, begin and finish share: who owns a mail's key. Included, not a script.
--
-- The first script that writes a status takes the ownership of its key (writes owner); every later
-- one checks it here. judge() reads and, where it says so, takes; it answers
--   verdict, status, token, set    verdict is one of
--     'mine'       this job owns the key (now, or since before), and no newer claim of it is known
--     'stale'      a newer claim of this very job has been here: the caller must stop
--     'final'      this job owns the key and its mail is settled, as `status` says
--     'duplicate'  another job with the same content owns it; counted; this one is to be dropped
--     'rival'      the same, but its mail is not settled: the caller asks whether that job still
--                  exists and calls again, with rival 'alive' or with the name of the owner that is gone
--     'conflict'   another job with other content owns it
--     'error'      the key is not a hash
--   status  as stored, '' when there was none; for rival and conflict the owner
--   token   under which the status was last written (absent means 1); 0 when there was none
--   set     with 'mine', when the key is taken just now: a list of fields and values, the status among
--           them, that the caller adds its own to and writes; nil when this job had the key before.
--           set.created_at: when the API accepted it, if it did
local FINAL = { sent = true, failed = true, held = true, cancelled = true }
-- What is used for each mail is local: a global is looked up by its name each time.
local KEYS, ARGV, call, try, unpack = KEYS, ARGV, redis.call, redis.pcall, unpack

local time = call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
-- Redis prints every number that a script hands it by %.17g, which costs more than the command that
-- gets it: what is handed on for each mail is made text once.
local now_text = string.format('%.0f', now)
local expiries = {}
local function expire(key, ttl) -- ttl: ms, a text
	local at = expiries[ttl]
	if not at then
		at = string.format('%.0f', now + tonumber(ttl))
		expiries[ttl] = at
	end
	call('PEXPIREAT', key, at)
end

-- Takes the key for a job. Returns the fields that the caller has yet to write: those which a status
-- has from its first write on, with `becomes` as the status. `gone`: it has an owner that is gone.
local function take(key, owner, becomes, fingerprint, to, subject, gone)
	if gone then
		call('HSET', key, 'owner', owner)
		call('HDEL', key, 'token')
	end
	return { 'owner', owner, 'status', becomes, 'fingerprint', fingerprint, 'to', to, 'subject', subject }
end

-- rival: see there; 'begun': the caller owned the key once: unless it still does, it was taken over, and
-- is no duplicate.
-- becomes: the status that the caller gives it; '' leaves it as it is (a new one is then queued).
local function judge(key, owner, token, fingerprint, to, subject, rival, becomes)
	-- Whoever has begun will hardly need more than three of them.
	local begun = rival == 'begun'
	local seen = begun and try('HMGET', key, 'owner', 'status', 'token') or
		try('HMGET', key, 'owner', 'status', 'token', 'fingerprint', 'created_at')
	if seen.err then
		return 'error', seen.err, 0
	end
	local status = seen[2] or ''
	local stored = seen[3] and tonumber(seen[3]) or (seen[1] and 1 or 0)
	if seen[1] == owner then
		if stored > token then
			return 'stale', status, stored
		elseif FINAL[status] then
			return 'final', status, stored
		end
		return 'mine', status, stored
	end
	if begun then
		seen[4] = call('HGET', key, 'fingerprint')
	end
	if not seen[1] then
		-- Nobody's: new; or accepted by the API (queued, or cancelled since); or only the reason
		-- why something under this key was not valid, which a valid job replaces.
		if status == '' or status == 'failed' then
			if status ~= '' then
				call('DEL', key)
			end
			becomes = becomes == '' and 'queued' or becomes
			local set = take(key, owner, becomes, fingerprint, to, subject)
			set[11], set[12] = 'created_at', now_text
			return 'mine', '', 0, set
		elseif seen[4] and seen[4] ~= fingerprint then
			return 'conflict', '', 0
		end
		local final = FINAL[status]
		becomes = (final or becomes == '') and status or becomes
		local set = take(key, owner, becomes, fingerprint, to, subject)
		if final then
			call('HSET', key, unpack(set))
			return 'final', status, 0
		end
		set.created_at = seen[5]
		return 'mine', status, 0, set
	end
	if seen[4] ~= fingerprint then
		return 'conflict', seen[1], stored
	elseif FINAL[status] or rival == 'alive' then
		if not begun then
			try('HINCRBY', key, 'duplicates', 1) -- memory may be full, and it is only a count
		end
		return 'duplicate', status, stored
	elseif rival == seen[1] then
		-- Its owner was lost with a failover: this job takes over what is known.
		becomes = becomes == '' and status or becomes
		return 'mine', status, 0, take(key, owner, becomes, fingerprint, to, subject, true)
	end
	return 'rival', seen[1], stored
end
