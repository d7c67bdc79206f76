-- requeue: takes dead letters out of the dead ones: to be tried again, or for good.
--
-- KEYS   1 jobs  2 delayed  3 claims  4 dead
-- ARGV   1 retry | drop, then ids
-- Returns one number for each id: 1 done, 0 it was not dead
-- Slot   the queue's.
-- Repeat The second call answers 0 and changes nothing.
--
-- A retried job keeps its id and its token (a new id would make it its own duplicate), and
-- loses its count of adoptions.
local jobs, delayed, claims, dead = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local out = {}
for i = 2, #ARGV do
	local id = ARGV[i]
	out[i - 1] = redis.call('ZREM', dead, id)
	if out[i - 1] == 1 then
		if ARGV[1] == 'drop' then
			redis.call('HDEL', jobs, id)
			redis.call('HDEL', claims, id)
		else
			local count = redis.call('HGET', claims, id)
			if count then
				redis.call('HSET', claims, id, string.match(count, '^%d+b?'))
			end
			redis.call('ZADD', delayed, now, id)
		end
	end
end
return out
