-- peek: judges jobs that were claimed before (or have a rival), and shuts their earlier claims out.
--
-- KEYS   1 … n  status of each mail
-- ARGV   1 how long an unsettled status lives, ms
--        then for each mail 6: owner, token, fingerprint, to, subject,
--        rival ('' not asked yet | 'alive' | the owner that is gone)
-- Returns for each mail a list: verdict (status.lib), status or owner, then what is known of the mail
--        when the verdict is 'mine' or 'final': attempts, provider, tries, pinned, next_attempt_at,
--        created_at, recipients, message_id, error; "" where there is nothing. `status` is "sending"
--        when an earlier claim had begun and never finished: nobody knows what became of it.
-- Slot   the mail's; all KEYS of one call are in one slot.
-- Repeat With the same token: the same answer. Only `duplicates` may count one twice.
--#include status
local ttl = tonumber(ARGV[1])
local out = {}

local function peek(i)
	local a = 2 + (i - 1) * 6
	local key, token = KEYS[i], tonumber(ARGV[a + 1])
	local verdict, status, _, set =
		judge(key, ARGV[a], token, ARGV[a + 2], ARGV[a + 3], ARGV[a + 4], ARGV[a + 5], '')
	if verdict ~= 'mine' and verdict ~= 'final' then
		return { verdict, status }
	end
	local known = call('HMGET', key, 'attempts', 'provider', 'tries', 'pinned', 'next_attempt_at',
		'created_at', 'recipients', 'message_id', 'error')
	for k = 1, 9 do
		known[k] = known[k] or ''
	end
	if verdict == 'final' then
		return { verdict, status, unpack(known) }
	end
	set = set or { 'status', status }
	set[#set + 1], set[#set + 2] = 'token', ARGV[a + 1]
	call('HSET', key, unpack(set))
	-- A scheduled mail's status lives until long after its time; never cut that short.
	if call('PTTL', key) < ttl then
		call('PEXPIRE', key, ttl)
	end
	return { verdict, status, unpack(known) }
end

for i = 1, #KEYS do
	out[i] = peek(i)
end
return out
