-- sweep: the housekeeping of one queue. Bounded; any worker may call it at any time.
--
-- KEYS   1 jobs  2 leases  3 delayed  4 claims  5 dead
-- ARGV   1 how long dead letters are kept, ms   2 lease, ms   3 how many to look at
-- Returns { adopted, trimmed }
--        adopted  jobs that were in none of leases, delayed and dead, and are due now
--        trimmed  dead letters that were too old
-- Slot   the queue's.
-- Repeat Finds nothing more to do.
local jobs, leases, delayed, claims, dead = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local keep, lease, limit = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local old = redis.call('ZRANGE', dead, '-inf', now - keep, 'BYSCORE', 'LIMIT', 0, limit)
if #old > 0 then
	redis.call('ZREM', dead, unpack(old))
	redis.call('HDEL', jobs, unpack(old))
	redis.call('HDEL', claims, unpack(old))
end

-- No worker could have written a deadline this far ahead: Redis's clock has stepped back.
local far = redis.call('ZRANGE', leases, '(' .. (now + 10 * lease), '+inf', 'BYSCORE', 'LIMIT', 0, limit)
for _, id in ipairs(far) do
	redis.call('ZADD', leases, now + lease, id)
end

-- Names without payloads: all of them while they are few, a sample when they are many.
local adopted, ids = 0, {}
if redis.call('EXISTS', jobs) == 1 then
	if redis.call('HLEN', jobs) <= limit then
		ids = redis.call('HKEYS', jobs)
	else
		ids = redis.call('HRANDFIELD', jobs, limit)
	end
end
if #ids > 0 then
	local leased = redis.call('ZMSCORE', leases, unpack(ids))
	local waits = redis.call('ZMSCORE', delayed, unpack(ids))
	local died = redis.call('ZMSCORE', dead, unpack(ids))
	for i, id in ipairs(ids) do
		if not (leased[i] or waits[i] or died[i]) then
			redis.call('ZADD', delayed, now, id)
			adopted = adopted + 1
		end
	end
end
return { adopted, #old }
