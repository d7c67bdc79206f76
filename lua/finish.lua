-- finish: writes what became of mails. The only script that gives a mail its next or last status.
--
-- KEYS   1 … n  status of each mail
-- ARGV   1 how long a status lives where nothing else is said, ms
--        2 how much longer than that begin has let it live, ms: then it is left at that (-1: by too much)
--        3 packed, for each mail: owner, token, status, how long it lives (ms; "": as ARGV[1]), the line for a
--        late report ("": it was not begun, there is nothing to report; "=": the first value below), then three
--        numbers: deletes, sets, identity (0 or 3); then so many values:
--        deletes   names of fields
--        sets      twice as many: name, value
--        identity  fingerprint, to, subject. A mail that was begun has them in its status: they are told only
--                  after `whole`. An empty fingerprint: the job is a dead letter that was not read (any
--                  more). If it owns the key, from an earlier claim, its mail ends; if nobody does, only
--                  the reason is noted.
-- Returns one text for each mail:
--        ok               written
--        whole            it does not own the key (any more): nothing was written, ask again with the identity
--        late             a newer claim, or a job that took the key over, has been here: only the line
--                         `late:<token>` was added
--        final <status>   settled otherwise already (cancelled meanwhile): nothing was written
--        ended <status>   of a job that was not read: its mail is failed, or held if it may have been sent
--        foreign          of a job that was not read: it does not own the key
--        rival <owner>, conflict, duplicate, error <text>    see status.lib; only for a first write
-- Slot   the mail's; all KEYS of one call are in one slot.
-- Repeat The same writes again.
--#include status
--#include packed
local usual, spare, out = ARGV[1], tonumber(ARGV[2]), {}

local function write(key, ttl, set, del)
	if #del > 0 then
		call('HDEL', key, unpack(del))
	end
	call('HSET', key, unpack(set))
	expire(key, ttl)
	return 'ok'
end

-- The reason why a job was not read, under the key that it has or would have had. What only the API
-- knows of (queued, nobody's) may be this very job; if it is not, its own job replaces the note.
local function note(key, owner, token, ttl, set, del)
	local seen = try('HMGET', key, 'owner', 'status', 'token', 'pinned', 'provider', 'attempts')
	if seen.err then
		return 'error ' .. seen.err
	end
	local status, stored, n = seen[2], tonumber(seen[3]) or 1, #set
	if seen[1] ~= owner then
		if not seen[1] and (not status or status == 'failed' or status == 'queued') then
			write(key, ttl, set, del)
		end
		return 'foreign'
	elseif stored > tonumber(token) then
		return 'late'
	elseif status == 'sent' or status == 'cancelled' or (FINAL[status] and stored < tonumber(token)) then
		return 'final ' .. status
	end
	set[n + 1], set[n + 2] = 'token', token
	if status == 'held' or seen[4] then
		set[2] = 'held'
	end
	if status == 'sending' then
		-- Begun by an earlier claim: nobody knows, and it stays with this provider.
		set[2] = 'held'
		set[n + 3], set[n + 4] = 'attempt:' .. (seen[6] or 1), (seen[5] or '') .. ' unknown worker_lost 0ms'
		set[n + 5], set[n + 6] = 'pinned', seen[5] or ''
	end
	call('HDEL', key, 'next_attempt_at')
	write(key, ttl, set, del)
	return 'ended ' .. set[2]
end

local function finish(key)
	local owner, token, status, ttl, late, deletes, sets, identity
	at, owner, token, status, ttl, late, deletes, sets, identity = read(packed, 8, at)
	if identity == 0 then
		local seen = try('HMGET', key, 'owner', 'status', 'token', 'updated_at')
		if seen[1] ~= owner then
			values(deletes + 2 * sets)
			return seen.err and 'error ' .. seen.err or 'whole'
		elseif seen[2] == 'sending' and (seen[3] or '1') == token then
			-- As mostly: nothing has happened to it since this very claim has begun it.
			if deletes > 0 then
				call('HDEL', key, values(deletes))
			end
			call('HSET', key, 'status', status, 'updated_at', now_text, values(2 * sets))
			if ttl ~= '' or now - (tonumber(seen[4]) or 0) > spare then
				expire(key, ttl ~= '' and ttl or usual)
			end
			return 'ok'
		end
	end
	local del, set = { values(deletes) }, { 'status', status, 'updated_at', now_text, values(2 * sets) }
	local fingerprint, to, subject = values(identity)
	local begun = late ~= ''
	ttl = ttl ~= '' and ttl or usual
	late = late == '=' and set[6] or late
	if fingerprint == '' then
		return note(key, owner, token, ttl, set, del)
	end
	local verdict, stored_status, _, taken =
		judge(key, owner, tonumber(token), fingerprint, to, subject, begun and 'begun' or '', status)
	if verdict == 'stale' then
		if begun then
			call('HSET', key, 'late:' .. token, late)
		end
		return 'late'
	elseif begun and (verdict == 'duplicate' or verdict == 'rival') then
		-- It had begun, so it owned the key: its job was lost, and another took the mail over.
		call('HSETNX', key, 'late:' .. token, late)
		return 'late'
	elseif verdict == 'mine' or (verdict == 'final' and stored_status == status) then
		local n = #set
		if token ~= '1' then
			set[n + 1], set[n + 2] = 'token', token
			n = n + 2
		end
		for i = 1, taken and #taken or 0 do
			set[n + i] = taken[i]
		end
		return write(key, ttl, set, del)
	elseif verdict == 'duplicate' then
		return verdict
	end
	return verdict .. ' ' .. stored_status
end

-- Memory may be full: a write that frees comes first, then Redis lets the others through.
if #KEYS > 0 then
	try('HDEL', KEYS[1], '')
end
for i = 1, #KEYS do
	out[i] = finish(KEYS[i])
end
return out
