-- begin: the point of no return. Marks mails as sending, just before their last byte leaves.
--
-- KEYS   1 … n  status of each mail
-- ARGV   1 how long an unsettled status lives, ms
--        then for each mail 7: owner, token, fingerprint, to, subject, provider, attempt
-- Returns one text for each mail:
--        ok                 the byte may leave
--        ok <created_at>    the same; nobody had claimed the mail before, and the API accepted it then (ms)
--        unknown            an earlier claim of this job was sending, and nobody knows what became of it
--        stale              a newer claim of this job has been here: stop
--        final <status>     settled already (sent by an earlier claim, or cancelled meanwhile)
--        duplicate, rival <owner>, conflict, error <text>      see status.lib
-- Slot   the mail's; all KEYS of one call are in one slot (on a cluster: one call a slot).
-- Repeat With the same token: the same answer (of ok <created_at> only the ok), the same state. Only
--        `duplicates` may count one twice.
--#include status
local out = {}

local function begin(i)
	local a = 2 + (i - 1) * 7
	local key, token = KEYS[i], tonumber(ARGV[a + 1])
	local verdict, status, stored, set =
		judge(key, ARGV[a], token, ARGV[a + 2], ARGV[a + 3], ARGV[a + 4], '', 'sending')
	if verdict == 'mine' then
		if status == 'sending' and stored < token then
			return 'unknown'
		end
		local n = #set
		if token > 1 then
			set[n + 1], set[n + 2] = 'token', ARGV[a + 1]
			n = n + 2
		end
		set[n + 1], set[n + 2], set[n + 3], set[n + 4] = 'provider', ARGV[a + 5], 'attempts', ARGV[a + 6]
		set[n + 5], set[n + 6] = 'updated_at', now_text
		redis.call('HSET', key, unpack(set))
		expire(key, ARGV[1])
		if status == 'queued' and stored == 0 then
			return 'ok ' .. (redis.call('HGET', key, 'created_at') or '')
		end
		return 'ok'
	elseif verdict == 'duplicate' or verdict == 'stale' then
		return verdict
	end
	return verdict .. ' ' .. status
end

for i = 1, #KEYS do
	out[i] = begin(i)
end
return out
