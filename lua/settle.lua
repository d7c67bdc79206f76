-- settle: ends a claim: the job is done with, or waits, or is dead. Fenced by the token.
--
-- KEYS   1 jobs  2 leases  3 delayed  4 claims  5 dead  6 events
--        then for each job that is to be kept, in their order, where its payload goes
-- ARGV   1 how many entries the stream keeps (0: no events)
--        then for each job: id, token, action, at (ms), number of event fields, then name, value of each
--        action: ack   the payload goes
--                keep  the payload goes from jobs, but is kept under a key of its own for `at` ms; where
--                      there is no memory for that, it goes
--                delay the job is due again at `at`
--                bury  the job becomes a dead letter, stamped `at`; its payload stays
-- Returns one text for each job: ok; stale (a newer claim has it); gone (not in flight: settled already)
-- Slot   the queue's.
-- Repeat The second call answers gone and changes nothing.
local jobs, leases, delayed, claims, dead, events = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local events_max = tonumber(ARGV[1])

local at, ids, first = 2, {}, {}
while at <= #ARGV do
	ids[#ids + 1] = ARGV[at]
	first[#first + 1] = at
	at = at + 5 + 2 * tonumber(ARGV[at + 4])
end
if #ids == 0 then
	return {}
end

local counts = redis.call('HMGET', claims, unpack(ids))
local scores = redis.call('ZMSCORE', leases, unpack(ids))
local out, ended, acked, waits, died, survived = {}, {}, {}, {}, {}, {}
local kept, n_keep = {}, 0
for i, id in ipairs(ids) do
	local token = counts[i] and string.match(counts[i], '^%d+') or '1'
	local action = ARGV[first[i] + 2]
	if action == 'keep' then
		n_keep = n_keep + 1
	end
	if not scores[i] then
		out[i] = 'gone'
	elseif token ~= ARGV[first[i] + 1] then
		out[i] = 'stale'
	else
		out[i] = 'ok'
		ended[#ended + 1] = id
		if action == 'ack' or action == 'keep' then
			acked[#acked + 1] = id
			if action == 'keep' then
				kept[#kept + 1] = { id, KEYS[6 + n_keep], ARGV[first[i] + 3] }
			end
		else
			local into = action == 'delay' and waits or died
			into[#into + 1], into[#into + 2] = ARGV[first[i] + 3], id
			if action == 'delay' and counts[i] and counts[i] ~= token then
				survived[#survived + 1], survived[#survived + 2] = id, token
			end
		end
	end
end

-- The first write frees, so that this works when memory is full.
if #ended > 0 then
	redis.call('ZREM', leases, unpack(ended))
end
for _, keep in ipairs(kept) do
	local payload = redis.call('HGET', jobs, keep[1])
	if payload then
		redis.pcall('SET', keep[2], payload, 'PX', keep[3])
	end
end
if #acked > 0 then
	redis.call('HDEL', jobs, unpack(acked))
	redis.call('HDEL', claims, unpack(acked))
end
if #waits > 0 then
	redis.call('ZADD', delayed, unpack(waits))
end
if #survived > 0 then
	redis.call('HSET', claims, unpack(survived)) -- its worker lived: adoptions count anew
end
if #died > 0 then
	redis.call('ZADD', dead, unpack(died))
end
if events_max > 0 then
	for i = 1, #ids do
		local n = tonumber(ARGV[first[i] + 4])
		if out[i] == 'ok' and n > 0 then
			-- What was settled is settled, also where the stream's key is of another type.
			redis.pcall('XADD', events, 'MAXLEN', '~', events_max, '*', 'id', ids[i],
				unpack(ARGV, first[i] + 5, first[i] + 4 + 2 * n))
		end
	end
end
return out
