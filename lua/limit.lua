-- limit: takes tokens out of a client's bucket, for requests of that client.
--
-- KEYS   1 the client's hash
-- ARGV   1 µs in which one token comes back       2 tokens that the bucket holds
--        then for each request 1: how many tokens it wants
-- Returns { left, more, … }
--        left   tokens that are left             more   ms until there is one more; 0: it is full
--        and for each request 0 (it has its tokens), the ms after which asking again makes sense, or -1
--        (it wants more than the bucket holds). One that is refused takes nothing.
-- Slot   the client's.
-- Repeat Takes the tokens again: a caller whose answer was lost does not ask again, the client does.
--
-- Generic cell rate algorithm, as in permit: `tat` is when the bucket is full again. Redis's clock may
-- step back: no time is trusted that lies further ahead than this script could have written it.
local key = KEYS[1]
local interval, depth = tonumber(ARGV[1]), tonumber(ARGV[2]) * tonumber(ARGV[1])
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local stored = tonumber(redis.call('HGET', key, 'tat')) or 0
local tat = math.max(math.min(stored, now + depth), now)
local before = tat
local out = { 0, 0 }

for a = 3, #ARGV do
	local cost = tonumber(ARGV[a]) * interval
	if cost > depth then
		out[a] = -1
	elseif tat + cost > now + depth then
		out[a] = math.max(1, math.ceil((tat + cost - now - depth) / 1000))
	else
		tat = tat + cost
		out[a] = 0
	end
end
if tat > before then
	redis.call('HSET', key, 'tat', tat)
	redis.call('PEXPIRE', key, math.ceil((tat - now) / 1000) + 1000)
end
local room = now + depth - tat
out[1] = math.floor(room / interval)
if room < depth then
	out[2] = math.max(1, math.ceil(((out[1] + 1) * interval - room) / 1000))
end
return out
