-- settle: ends a claim: the job is done with, or waits, or is dead. Fenced by the token.
--
-- KEYS   1 jobs  2 leases  3 delayed  4 claims  5 dead  6 events
--        then for each job that is to be kept, in their order, where its payload goes
-- ARGV   1 how many entries the stream keeps (0: no events)
--        2 packed: n (a number); the n ids;
--        m (a number), for each of the m jobs that are not as mostly: which it is (a number, from 1), token,
--        action, at (ms). Mostly the token is 1, and the action ack;
--        then for each job its event: key ("": there is none, and the rest says nothing), status, provider, attempt,
--        code, ms, and how many values more (a number), which follow: names and values, as tenant, tags
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

local NONE = {}
local n, m
at, n = read(packed, 1, at)
local ids = { values(n) }
at, m = read(packed, 1, at)
local others = {}
for _ = 1, m do
	local i, token, action, time
	at, i, token, action, time = read(packed, 4, at)
	others[i] = { token = token, action = action, at = time }
end
if n == 0 then
	return {}
end

-- Who has the present token? Their leases go in the first write, which frees, so that this works when
-- memory is full. How many went says whether all were in flight: to ask for their scores first would
-- cost as much as everything else here.
local counts = call('HLEN', claims) > 0 and call('HMGET', claims, unpack(ids)) or NONE
local plain = m == 0 and counts == NONE -- all were claimed once, and are done with
local holds, held = {}, plain and ids or {}
for i = 1, plain and 0 or n do
	local token = counts[i] and string.match(counts[i], '^%d+') or '1'
	if token == (others[i] and others[i].token or '1') then
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
local function settle(i, id, action, time)
	if action == 'keep' then
		n_keep = n_keep + 1
	end
	if not (plain or holds[i]) then
		return call('ZSCORE', leases, id) and 'stale' or 'gone'
	elseif not was_in_flight(id) then
		return 'gone'
	elseif action == 'ack' or action == 'keep' then
		acked[#acked + 1] = id
		if counts[i] then
			counted[#counted + 1] = id
		end
		if action == 'keep' then
			kept[#kept + 1] = { id, KEYS[6 + n_keep], time }
		end
	else
		local into = action == 'delay' and waits or died
		into[#into + 1], into[#into + 2] = time, id
		if action == 'delay' and counts[i] and counts[i] ~= holds[i] then
			survived[#survived + 1], survived[#survived + 2] = id, holds[i]
		end
	end
	return 'ok'
end
if plain and left == n then
	acked = ids
	for i = 1, n do
		out[i] = 'ok'
	end
else
	for i, id in ipairs(ids) do
		local other = others[i]
		out[i] = settle(i, id, other and other.action or 'ack', other and other.at)
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

-- What was settled is settled, also where the stream's key is of another type.
local most, told = ARGV[1], false
for i = 1, most == '0' and 0 or n do
	local key, status, provider, attempt, code, ms, more
	at, key, status, provider, attempt, code, ms, more = read(packed, 7, at)
	if key ~= '' and out[i] == 'ok' then
		told = true
		try('XADD', events, '*', 'id', ids[i], 'key', key, 'status', status, 'provider', provider,
			'attempt', attempt, 'code', code, 'ms', ms, values(more))
	else
		values(more)
	end
end
if told then
	try('XTRIM', events, 'MAXLEN', '~', most)
end
return out
