-- finish: writes what became of mails. The only script that gives a mail its next or last status.
--
-- KEYS   1 … n  status of each mail
-- ARGV   for each mail: owner, token, fingerprint, to, subject, status, how long it lives (ms),
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
local out = {}

local function write(key, a, set)
	local n, del = #set, nil
	set[n + 1], set[n + 2] = 'updated_at', now_text
	n = n + 2
	for f = a + 9, a + 7 + 2 * tonumber(ARGV[a + 8]), 2 do
		if ARGV[f + 1] == '' then
			del = del or {}
			del[#del + 1] = ARGV[f]
		else
			set[n + 1], set[n + 2] = ARGV[f], ARGV[f + 1]
			n = n + 2
		end
	end
	if del then
		redis.call('HDEL', key, unpack(del))
	end
	redis.call('HSET', key, unpack(set))
	expire(key, ARGV[a + 6])
	return 'ok'
end

-- The reason why a job was not read, under the key that it has or would have had. What only the API
-- knows of (queued, nobody's) may be this very job; if it is not, its own job replaces the note.
local function note(key, a)
	local seen = redis.pcall('HMGET', key, 'owner', 'status', 'token', 'pinned', 'provider', 'attempts')
	if seen.err then
		return 'error ' .. seen.err
	end
	local status, stored, token = seen[2], tonumber(seen[3]) or 1, tonumber(ARGV[a + 1])
	if seen[1] ~= ARGV[a] then
		if not seen[1] and (not status or status == 'failed' or status == 'queued') then
			write(key, a, { 'status', ARGV[a + 5] })
		end
		return 'foreign'
	elseif stored > token then
		return 'late'
	elseif status == 'sent' or status == 'cancelled' or (FINAL[status] and stored < token) then
		return 'final ' .. status
	end
	local becomes = (status == 'held' or seen[4]) and 'held' or ARGV[a + 5]
	local set = { 'status', becomes, 'token', ARGV[a + 1] }
	if status == 'sending' then
		-- Begun by an earlier claim: nobody knows, and it stays with this provider.
		becomes, set[2] = 'held', 'held'
		set[5], set[6] = 'attempt:' .. (seen[6] or 1), (seen[5] or '') .. ' unknown worker_lost 0ms'
		set[7], set[8] = 'pinned', seen[5] or ''
	end
	redis.call('HDEL', key, 'next_attempt_at')
	write(key, a, set)
	return 'ended ' .. becomes
end

local function finish(key, a)
	local token, status, begun = tonumber(ARGV[a + 1]), ARGV[a + 5], ARGV[a + 7] ~= ''
	if ARGV[a + 2] == '' then
		return note(key, a)
	end
	local verdict, stored_status, _, set =
		judge(key, ARGV[a], token, ARGV[a + 2], ARGV[a + 3], ARGV[a + 4], begun and 'begun' or '', status)
	if verdict == 'stale' then
		if begun then
			redis.call('HSET', key, 'late:' .. ARGV[a + 1], ARGV[a + 7])
		end
		return 'late'
	elseif begun and (verdict == 'duplicate' or verdict == 'rival') then
		-- It had begun, so it owned the key: its job was lost, and another took the mail over.
		redis.call('HSETNX', key, 'late:' .. ARGV[a + 1], ARGV[a + 7])
		return 'late'
	elseif verdict == 'mine' or (verdict == 'final' and stored_status == status) then
		set = set or { 'status', status }
		if token > 1 then
			set[#set + 1], set[#set + 2] = 'token', ARGV[a + 1]
		end
		return write(key, a, set)
	elseif verdict == 'duplicate' then
		return verdict
	end
	return verdict .. ' ' .. stored_status
end

-- Memory may be full: a write that frees comes first, then Redis lets the others through.
if #KEYS > 0 then
	redis.pcall('HDEL', KEYS[1], '')
end
local a = 1
for i = 1, #KEYS do
	out[i] = finish(KEYS[i], a)
	a = a + 9 + 2 * tonumber(ARGV[a + 8])
end
return out
