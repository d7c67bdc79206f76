-- finish: writes what became of mails. The only script that gives a mail its next or last status.
--
-- KEYS   1 … n  status of each mail
-- ARGV   1 packed, for each mail: owner, token, fingerprint, to, subject, status, how long it lives (ms),
--        the line for a late report ("": it was not begun, there is nothing to report), number of
--        fields, then for each: name, value ("" deletes it)
--        An empty fingerprint: the job is a dead letter that was not read (any more). If it owns the key,
--        from an earlier claim, its mail ends; if nobody does, only the reason is noted.
-- Returns one text for each mail:
--        ok               written
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
local out = {}

-- What is left of fields and values without those that have none, and the names of these.
local function without_empty(set)
	local left, del = {}, {}
	for f = 1, #set, 2 do
		if set[f + 1] == '' then
			del[#del + 1] = set[f]
		else
			left[#left + 1], left[#left + 2] = set[f], set[f + 1]
		end
	end
	return left, del
end

local function write(key, ttl, set, del)
	if del then
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
	local owner, token, fingerprint, to, subject, status, ttl, late, count = values(9)
	local set, del = { 'status', status, 'updated_at', now_text, values(2 * count) }, nil
	for f = 6, #set, 2 do
		if set[f] == '' then
			set, del = without_empty(set)
			break
		end
	end
	local begun = late ~= ''
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
