-- begin: the point of no return. Marks mails as sending, just before their last byte leaves.
--
-- KEYS   1 … n  status of each mail
-- ARGV   1 how long an unsettled status lives, ms
--        2 packed, for each mail 7: owner, token, fingerprint, to, subject, provider, attempt
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
--#include packed
local ttl, out = ARGV[1], {}

-- Mostly nothing is known of any mail: one look at all of them says so, and one write each is enough.
local fresh = #KEYS > 0 and call('EXISTS', unpack(KEYS)) == 0
local begun = {} -- in this call: two jobs of a batch may have the same key

local function begin(key)
	local owner, token, fingerprint, to, subject, provider, attempt
	at, owner, token, fingerprint, to, subject, provider, attempt = read(packed, 7, at)
	if fresh and token == '1' and not begun[key] then
		begun[key] = true
		call('HSET', key, 'owner', owner, 'status', 'sending', 'updated_at', now_text, 'created_at', now_text,
			'fingerprint', fingerprint, 'to', to, 'subject', subject, 'provider', provider, 'attempts', attempt)
		expire(key, ttl)
		return 'ok'
	end
	local verdict, status, stored, set =
		judge(key, owner, tonumber(token), fingerprint, to, subject, '', 'sending')
	if verdict == 'mine' then
		if status == 'sending' and stored < tonumber(token) then
			return 'unknown'
		end
		local created = set and set.created_at
		set = set or { 'status', 'sending' }
		local n = #set
		if token ~= '1' then
			set[n + 1], set[n + 2] = 'token', token
			n = n + 2
		end
		set[n + 1], set[n + 2], set[n + 3], set[n + 4] = 'provider', provider, 'attempts', attempt
		set[n + 5], set[n + 6] = 'updated_at', now_text
		call('HSET', key, unpack(set))
		expire(key, ttl)
		if status == 'queued' and stored == 0 then
			return 'ok ' .. (created or '')
		end
		return 'ok'
	elseif verdict == 'duplicate' or verdict == 'stale' then
		return verdict
	end
	return verdict .. ' ' .. status
end

for i = 1, #KEYS do
	out[i] = begin(KEYS[i])
end
return out
