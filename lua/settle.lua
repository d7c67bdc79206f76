-- settle: ends a claim: the job is done with, or waits, or is dead. Fenced by the token.
--
-- KEYS   1 jobs  2 leases  3 delayed  4 claims  5 dead  6 events
--        then for each job that is to be kept, in their order, where its payload goes
-- ARGV   1 how many entries the stream keeps (0: no events)
--        2 packed, for each job: id, token, action, at (ms), event (1, or 0: none); then with an event
--        8: key, status, provider, attempt, code, ms, tenant, tags (the last two "" where there are none)
--        action: ack   the payload goes
--                keep  the payload goes from jobs, but is kept under a key of its own for `at` ms; where
--                      there is no memory for that, it goes
--                delay the job is due again at `at`
--                bury  the job becomes a dead letter, stamped `at`; its payload stays
-- Returns one text for each job: ok; stale (a newer claim has it); gone (not in flight: settled already)
-- Slot   the queue's.
-- Repeat The second call answers gone and changes nothing.
local jobs, leases, delayed, claims, dead, events = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local call, try, unpack = redis.call, redis.pcall, unpack
--#include packed

-- What the worker tells of each job.
local ids, tokens, actions, times, told, n = {}, {}, {}, {}, {}, 0
while more() do
	local id, token, action, at, event = values(5)
	n = n + 1
	ids[n], tokens[n], actions[n], times[n] = id, token, action, at
	told[n] = event == '1' and { values(8) }
end
if n == 0 then
	return {}
end

-- Who has the present token? Their leases go in the first write, which frees, so that this works when
-- memory is full. How many went says whether all were in flight: to ask for their scores first would
-- cost as much as everything else here.
local counts = call('HMGET', claims, unpack(ids))
local holds, held = {}, {}
for i = 1, n do
	local token = counts[i] and string.match(counts[i], '^%d+') or '1'
	if token == tokens[i] then
		holds[i] = token
		held[#held + 1] = ids[i]
	end
end
local left = #held > 0 and call('ZREM', leases, unpack(held)) or 0

-- Was this one in flight? A job that is in none of the other places was.
local function was_in_flight(id)
	return left == #held or (left > 0 and call('HEXISTS', jobs, id) == 1 and
		not call('ZSCORE', delayed, id) and not call('ZSCORE', dead, id))
end

local out, acked, counted, waits, died, survived, kept, n_keep = {}, {}, {}, {}, {}, {}, {}, 0
for i, id in ipairs(ids) do
	local action = actions[i]
	if action == 'keep' then
		n_keep = n_keep + 1
	end
	if not holds[i] then
		out[i] = call('ZSCORE', leases, id) and 'stale' or 'gone'
	elseif not was_in_flight(id) then
		out[i] = 'gone'
	else
		out[i] = 'ok'
		if action == 'ack' or action == 'keep' then
			acked[#acked + 1] = id
			if counts[i] then
				counted[#counted + 1] = id
			end
			if action == 'keep' then
				kept[#kept + 1] = { id, KEYS[6 + n_keep], times[i] }
			end
		else
			local into = action == 'delay' and waits or died
			into[#into + 1], into[#into + 2] = times[i], id
			if action == 'delay' and counts[i] and counts[i] ~= holds[i] then
				survived[#survived + 1], survived[#survived + 2] = id, holds[i]
			end
		end
	end
end

for _, keep in ipairs(kept) do
	local payload = call('HGET', jobs, keep[1])
	if payload then
		try('SET', keep[2], payload, 'PX', keep[3])
	end
end
if #acked > 0 then
	call('HDEL', jobs, unpack(acked))
end
if #counted > 0 then
	call('HDEL', claims, unpack(counted))
end
if #waits > 0 then
	call('ZADD', delayed, unpack(waits))
end
if #survived > 0 then
	call('HSET', claims, unpack(survived)) -- its worker lived: adoptions count anew
end
if #died > 0 then
	call('ZADD', dead, unpack(died))
end

local NONE = {}
for i = 1, ARGV[1] == '0' and 0 or n do
	local e, more = out[i] == 'ok' and told[i], NONE
	if e then
		if e[7] ~= '' then
			more = { 'tenant', e[7] }
		end
		if e[8] ~= '' then
			more = e[7] ~= '' and { 'tenant', e[7], 'tags', e[8] } or { 'tags', e[8] }
		end
		-- What was settled is settled, also where the stream's key is of another type.
		try('XADD', events, 'MAXLEN', '~', ARGV[1], '*', 'id', ids[i], 'key', e[1], 'status', e[2],
			'provider', e[3], 'attempt', e[4], 'code', e[5], 'ms', e[6], unpack(more))
	end
end
return out
