-- lag: how far the archivers of a queue's events are behind. Writes nothing.
--
-- KEYS   1 events  2 archive
-- ARGV   1 group
-- Returns { waiting, pending, oldest, archived, skipped, lost, archivers }, or nothing where no archiver has ever been
--        waiting   entries that none of them has read        pending  read, but not acknowledged
--        oldest    when (ms) the oldest of all these was written; 0: there are none
--        archived, skipped, lost  counted since the first one came
--        archivers how many were heard of in the last 10 s
-- Slot   the queue's.
-- Repeat Reads only.
--#include stream
local events, archive, group = KEYS[1], KEYS[2], ARGV[1]

local known = find_group(events, group)
if not known then
	return {}
end

local stream = fields(redis.call('XINFO', 'STREAM', events))
local counts = fields(redis.call('HGETALL', archive))
local last = known['last-delivered-id']
local waiting = stream.length
if last == stream['last-generated-id'] or stream.length == 0 then
	waiting = 0
elseif before(last, stream['first-entry'][1]) then
	waiting = stream.length
elseif counts.last == last and counts.read and stream['entries-added'] then
	waiting = math.min(stream.length, math.max(0, stream['entries-added'] - tonumber(counts.read)))
end

local oldest = 0
if known.pending > 0 then
	oldest = string.match(redis.call('XPENDING', events, group)[2], '%d+')
elseif waiting > 0 then
	local next = redis.call('XRANGE', events, '(' .. last, '+', 'COUNT', 1)
	oldest = next[1] and string.match(next[1][1], '%d+') or 0
end

local time, archivers = redis.call('TIME'), 0
for field, at in pairs(counts) do
	if string.sub(field, 1, 5) == 'seen:' and math.abs(time[1] * 1000 - tonumber(at)) < 10000 then
		archivers = archivers + 1
	end
end
return { waiting, known.pending, tostring(oldest), tonumber(counts.archived or 0), tonumber(counts.skipped or 0),
	tonumber(counts.lost or 0), archivers }
