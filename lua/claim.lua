-- claim: takes jobs for one worker, and renews the leases it has. Bounded; the heart of the fleet.
--
-- KEYS  1 list  2 arrivals  3 jobs  4 leases  5 delayed  6 claims  7 clock
-- ARGV  1 lease, ms   2 how many jobs at most (0: only renew)   3 bytes of payload at most in all
--       4 bytes of one payload at most   5 how many adoptions until a job is poison
--       6 how many suspects at most: jobs that are adopted for the second time, or more often
--       7 number of renewals, then for each: id, token; then one fresh id for each job of ARGV[2]
-- Returns { now, wake, waiting, oom, lost, jobs, fault }
--       now     Redis's clock, ms
--       wake    when there may be something to claim without a push, ms; 0: never
--       waiting what is left: list + arrivals + delayed + leases (this worker's own included)
--       oom     1: memory is full, nothing was claimed, renewals were made
--       lost    ids whose renewal was refused: the job has passed to another worker, or is settled
--       jobs    flat: id, token, adoptions, kind, payload
--               kind: new | again | big (payload is its size in bytes) | poison (do not touch the payload)
--               A job that was handed out once is not big any more, even if the limit is lower now:
--               it may have been begun.
--       fault   why the list cannot be read (it is of another type), else ""
-- Slot   the queue's.
-- Repeat A renewal repeated is a renewal. A call repeated with the same fresh ids pops nothing more
--       (it would put new payloads under ids that are taken); the jobs of the lost answer run out of
--       their lease and are adopted.
--
-- A suspect is handed out alone, because all that a worker has in its hands when it dies is counted as adopted. Its
-- lease is put off while nobody may have it; a worker that was only away can still renew it.
--
-- Order: what doorbells moved, then what is due, then what dead workers left, then the list.
-- What is kept of a job's claims is "token" or "token:adoptions"; nothing means claimed once (token 1)
-- and never adopted. The token of a job that was only ever told as big has a "b" behind it.
local list, arrivals, jobs, leases, delayed, claims, clock =
	KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6], KEYS[7]
local lease, max = tonumber(ARGV[1]), tonumber(ARGV[2])
local max_bytes, max_job, poison_after = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local suspects, n_renew = tonumber(ARGV[6]), tonumber(ARGV[7])
local next_id = 8 + 2 * n_renew

-- A key of the wrong type must fail here, before anything was popped: Lua does not roll back.
-- A list that cannot be read is told in `fault`, and does not stop the jobs that were taken from it.
redis.call('HLEN', jobs)
redis.call('HLEN', claims)
local n_arrivals, n_list = redis.call('LLEN', arrivals), redis.pcall('LLEN', list)
local waiting = redis.call('ZCARD', delayed) + redis.call('ZCARD', leases) + n_arrivals
local fault = ''
if type(n_list) ~= 'number' then
	n_list, fault = 0, n_list.err
end
waiting = waiting + n_list -- what is taken below only moves from one of these to another

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local deadline = now + lease
-- Redis prints every number that a script hands it by %.17g, which costs more than most commands:
-- what is handed on for each job is made text once.
local deadline_text = string.format('%.0f', deadline)

-- Nobody claimed for more than half a lease: Redis, or the whole fleet, was away. Workers that live
-- get one lease to come back and renew before anything is taken from them.
local seen = redis.call('HMGET', clock, 'last', 'hold')
local last, hold = tonumber(seen[1]), tonumber(seen[2]) or 0
if last and now - last > lease / 2 then
	hold = deadline
elseif hold > deadline then
	hold = deadline -- the clock stepped back
end
-- The first write also asks whether memory is full. The script must go on to renew in that case, and
-- may, after a write that frees (ZREM of nothing).
local noted = redis.pcall('HSET', clock, 'last', now, 'hold', hold)
local oom = 0
if type(noted) == 'table' then
	if not string.find(noted.err, 'OOM', 1, true) then
		return noted
	end
	oom, max = 1, 0
	redis.call('ZREM', leases, '')
	redis.call('HSET', clock, 'last', now, 'hold', hold)
end

local lost = {}
if n_renew > 0 then
	local ids, entries = {}, {}
	for i = 1, n_renew do
		ids[i] = ARGV[6 + 2 * i]
	end
	local counts = redis.call('HMGET', claims, unpack(ids))
	local scores = redis.call('ZMSCORE', leases, unpack(ids))
	for i = 1, n_renew do
		local token = counts[i] and string.match(counts[i], '^%d+') or '1'
		if scores[i] and token == ARGV[7 + 2 * i] then
			entries[#entries + 1] = deadline_text
			entries[#entries + 1] = ids[i]
		else
			lost[#lost + 1] = ids[i]
		end
	end
	if #entries > 0 then
		redis.call('ZADD', leases, unpack(entries))
	end
end

local out, n, bytes = {}, 0, 0
local leased, stored = {}, {}
local function put(id, token, adoptions, kind, payload)
	local at = 5 * n
	out[at + 1], out[at + 2], out[at + 3], out[at + 4], out[at + 5] = id, token, adoptions, kind, payload
	leased[2 * n + 1], leased[2 * n + 2] = deadline_text, id
	n = n + 1
end

-- Jobs never claimed before. Popped in growing chunks, so that large payloads are met early; what
-- is popped past the byte limit is parked, due at once, and not in the answer. A payload that is
-- too big counts as well: it is moved, though not answered.
local function pop(from, left)
	local chunk, largest = 1, 1
	while left > 0 and n < max and bytes < max_bytes do
		local popped = redis.call('RPOP', from, math.min(chunk, max - n))
		left = left - #popped
		for _, payload in ipairs(popped) do
			local id, size = ARGV[next_id], #payload
			next_id = next_id + 1
			stored[#stored + 1] = id
			stored[#stored + 1] = payload
			if size > max_job then
				redis.call('HSET', claims, id, '1b')
				put(id, 1, 0, 'big', tostring(size))
				bytes = bytes + size
			elseif bytes > 0 and bytes + size > max_bytes then
				redis.call('HSET', claims, id, '0')
				redis.call('ZADD', delayed, now, id)
				bytes = max_bytes
			else
				put(id, 1, 0, 'new', payload)
				bytes = bytes + size
			end
			largest = math.max(largest, size)
		end
		chunk = math.max(1, math.min(chunk * 8, math.floor((max_bytes - bytes) / largest)))
	end
end

-- Jobs claimed before: from delayed (adopted = 0), or leases that ran out (adopted = 1).
local function reclaim(zset, adopted)
	if n >= max or bytes >= max_bytes then
		return
	end
	local ids = redis.call('ZRANGE', zset, '-inf', now, 'BYSCORE', 'LIMIT', 0, max - n)
	if #ids == 0 then
		return
	end
	local seen_counts, counts, taken, gone = redis.call('HMGET', claims, unpack(ids)), {}, {}, {}
	local put_off = {}
	for i, id in ipairs(ids) do
		local token, big, adoptions = string.match(seen_counts[i] or '1', '^(%d+)(b?):?(%d*)$')
		-- A time, so that it is greater than any before, also than one that a failover has lost.
		token = token == '0' and 1 or math.max((tonumber(token) or 1) + 1, now)
		adoptions = (tonumber(adoptions) or 0) + adopted
		local suspect = adopted == 1 and adoptions > 1 and adoptions <= poison_after
		local size = redis.call('HSTRLEN', jobs, id)
		big = size > max_job and (big == 'b' or token == 1) and 'b' or ''
		if size == 0 and redis.call('HEXISTS', jobs, id) == 0 then
			gone[#gone + 1] = id -- settled, or lost in a failover
		elseif bytes > 0 and big == '' and bytes + size > max_bytes then
			bytes = max_bytes
			break
		elseif suspect and suspects == 0 then
			-- the likelier one waits longer
			put_off[#put_off + 1] = string.format('%.0f', now + math.ceil(lease / 32) * adoptions)
			put_off[#put_off + 1] = id
		else
			if suspect then
				suspects = suspects - 1
			end
			if big == 'b' then
				put(id, token, adoptions, 'big', tostring(size))
			else
				local poison = adopted == 1 and adoptions > poison_after
				local kind = poison and 'poison' or token == 1 and 'new' or 'again'
				put(id, token, adoptions, kind, redis.call('HGET', jobs, id))
				bytes = bytes + size
			end
			taken[#taken + 1] = id
			counts[#counts + 1] = id
			counts[#counts + 1] = string.format('%.0f', token) .. big .. (adoptions > 0 and ':' .. adoptions or '')
		end
	end
	if #taken > 0 then
		redis.call('HSET', claims, unpack(counts))
		if adopted == 0 then
			redis.call('ZREM', delayed, unpack(taken))
		end
	end
	if #put_off > 0 then
		redis.call('ZADD', zset, unpack(put_off))
	end
	if #gone > 0 then
		redis.call('ZREM', zset, unpack(gone))
		redis.call('HDEL', claims, unpack(gone))
		waiting = waiting - #gone
	end
end

if max > 0 then
	-- The answer to this very call was lost: its first id is there already.
	if redis.call('HEXISTS', jobs, ARGV[next_id]) == 1 then
		n_arrivals, n_list = 0, 0
	end
	pop(arrivals, n_arrivals)
	reclaim(delayed, 0)
	if now >= hold then
		reclaim(leases, 1)
	end
	pop(list, n_list)
	-- unpack is bounded by Lua's stack (8,000): 256 jobs and the renewals stay far below.
	if #stored > 0 then
		redis.call('HSET', jobs, unpack(stored))
	end
	if #leased > 0 then
		redis.call('ZADD', leases, unpack(leased))
	end
end

local wake = 0
local due = redis.call('ZRANGE', delayed, 0, 0, 'WITHSCORES')
if due[2] then
	wake = tonumber(due[2])
end
local first = redis.call('ZRANGE', leases, 0, 0, 'WITHSCORES')
if first[2] then
	local at = math.max(tonumber(first[2]), hold)
	if wake == 0 or at < wake then
		wake = at
	end
end
return { now, wake, waiting, oom, lost, out, fault }
