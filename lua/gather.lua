-- gather: takes events out of a queue's stream for an archiver, and acknowledges those that it has kept.
--
-- KEYS   1 events  2 archive
-- ARGV   1 group  2 consumer
--        3 how many entries it wants; 0: it ends, and wants its consumer removed
--        4 ms after which entries that another has taken and not acknowledged are taken over; 0: not now
--        5 how many of the ids that follow could not be read; then the ids to acknowledge, those first
-- Returns { lost, entries }
--        lost     events that this call has found to be gone (trimmed) before anybody had read them
--        entries  as XREADGROUP gives them: {id, {name, value, …}}
-- Slot   the queue's.
-- Repeat Acknowledging is counted once. The entries of a lost answer stay with this consumer, unacknowledged, and
--        are taken over after a while, by itself or by another.
--
-- The group is made when it is not there, from the first entry on. How many entries were ever added up to the
-- last one that was read is kept (`read` of `last`): when the stream begins behind that one, the difference
-- to what is gone from it was never read. (Redis before 7 does not count what it adds: nothing is noticed there.)
--#include stream
local events, archive = KEYS[1], KEYS[2]
local group, consumer, want, idle = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local entries, lost = {}, 0

redis.call('HDEL', archive, '') -- memory may be full: a write that frees comes first

local function acknowledge(from, to, field)
	if from <= to then
		local n = redis.call('XACK', events, group, unpack(ARGV, from, to))
		if n > 0 then
			redis.call('HINCRBY', archive, field, n)
		end
	end
end

-- What others have left; of some only the id is there any more.
local function take_over()
	local claimed = redis.call('XAUTOCLAIM', events, group, consumer, idle, '0-0', 'COUNT', want)
	for _, entry in ipairs(claimed[2]) do
		if entry then
			entries[#entries + 1] = entry
		end
	end
	lost = lost + (claimed[3] and #claimed[3] or 0)
	for _, one in ipairs(redis.call('XINFO', 'CONSUMERS', events, group)) do
		local other = fields(one)
		if other.name ~= consumer and other.pending == 0 and other.idle > 3600000 then
			redis.call('XGROUP', 'DELCONSUMER', events, group, other.name)
			redis.call('HDEL', archive, 'seen:' .. other.name)
		end
	end
end

-- That this archiver lives: written every few seconds only, for an idle one comes often.
local function seen()
	local time = redis.call('TIME')
	local now = time[1] * 1000 + math.floor(time[2] / 1000)
	local before_now = tonumber(redis.call('HGET', archive, 'seen:' .. consumer)) or 0
	if math.abs(now - before_now) > 3000 then
		redis.call('HSET', archive, 'seen:' .. consumer, string.format('%.0f', now))
	end
end

local function read(known)
	local stream = fields(redis.call('XINFO', 'STREAM', events))
	local added, first = stream['entries-added'], stream['first-entry']
	local last = known['last-delivered-id']
	local seen = redis.call('HMGET', archive, 'last', 'read')
	local position = seen[1] == last and tonumber(seen[2]) or nil
	local old = position

	if added and (stream.length == 0 or before(last, first[1])) then
		local gone = added - stream.length
		if position and gone > position then
			lost = lost + gone - position
		end
		position = gone
	end
	local n = want - #entries
	local reply = n > 0 and redis.call('XREADGROUP', 'GROUP', group, consumer, 'COUNT', n, 'STREAMS', events, '>')
	local fresh = reply and reply[1][2] or {}
	for _, entry in ipairs(fresh) do
		entries[#entries + 1] = entry
		last = entry[1]
	end
	if #fresh > 0 then
		position = position and position + #fresh
		if #fresh < n then
			position = added
		end
	end
	if position and (seen[1] ~= last or old ~= position) then
		redis.call('HSET', archive, 'last', last, 'read', string.format('%.0f', position))
	end
end

local known = find_group(events, group)
if not known and want > 0 then
	redis.call('XGROUP', 'CREATE', events, group, '0', 'MKSTREAM')
	redis.call('HDEL', archive, 'last', 'read')
	known = find_group(events, group)
end
if known then
	acknowledge(6, 5 + tonumber(ARGV[5]), 'skipped')
	acknowledge(6 + tonumber(ARGV[5]), #ARGV, 'archived')
	if want > 0 then
		seen()
		if idle > 0 then
			take_over()
		end
		read(known)
		if lost > 0 then
			redis.call('HINCRBY', archive, 'lost', lost)
		end
	else
		redis.call('HDEL', archive, 'seen:' .. consumer)
		for _, one in ipairs(redis.call('XINFO', 'CONSUMERS', events, group)) do
			local mine = fields(one)
			if mine.name == consumer and mine.pending == 0 then
				redis.call('XGROUP', 'DELCONSUMER', events, group, consumer)
			end
		end
	end
end
return { lost, entries }
