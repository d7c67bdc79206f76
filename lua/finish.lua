-- finish: writes what became of mails. The only script that gives a mail its next or last status.
--
-- KEYS   1 … n  status of each mail
-- ARGV   for each mail: owner, token, fingerprint, to, subject, status, how long it lives (ms),
--        the line for a late report, number of fields, then for each: name, value ("" deletes it)
--        An empty owner only notes why a job under this key was not valid, where nobody owns it.
-- Returns one text for each mail:
--        ok               written
--        late             a newer claim has been here: only the line `late:<token>` was added
--        final <status>   settled otherwise already (cancelled meanwhile): nothing was written
--        foreign          another job owns the key: nothing was written
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

-- The reason why a job was not valid, under the key it would have had.
local function note(key, a)
	local seen = redis.pcall('HMGET', key, 'owner', 'status')
	if seen.err then
		return 'error ' .. seen.err
	elseif seen[1] or (seen[2] and seen[2] ~= 'failed') then
		return 'foreign'
	end
	return write(key, a, { 'status', ARGV[a + 5] })
end

local function finish(key, a)
	local token, status = tonumber(ARGV[a + 1]), ARGV[a + 5]
	if ARGV[a] == '' then
		return note(key, a)
	end
	local verdict, stored_status, _, set =
		judge(key, ARGV[a], token, ARGV[a + 2], ARGV[a + 3], ARGV[a + 4], '', status)
	if verdict == 'stale' then
		redis.call('HSET', key, 'late:' .. ARGV[a + 1], ARGV[a + 7])
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
