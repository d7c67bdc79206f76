-- permit: asks for leave to send through one provider, and reports what became of earlier sends.
-- Holds the fleet's circuit breaker, its token bucket and its pause after a throttling reply.
--
-- KEYS   1 the provider's hash
-- ARGV   1 how many permits are wanted (0: only report)
--        2 failures in a row that open the breaker     3 how long it stays open, ms
--        4 after how long a quiet failure count is forgotten, ms
--        5 probes at once when half-open               6 how long one lives that nobody is heard of, ms
--        7 µs between two mails (0: no limit)           8 mails that may go at once (the burst)
--        9 the longest pause that a throttling reply may ask for, ms
--        then for each report 5: generation, kind, count, ms, reason
--        kind: ok | fail | void (says nothing of the provider) | probing (has probes out still: they live on)
--              reset (closes the breaker by hand, whatever its generation and state)
--              down (opens the breaker for `ms`, or for ARGV[3] when 0) | throttled (pauses it for `ms`)
-- Returns { granted, wait, state, generation, now }
--        granted  permits, each for one send; unused ones lapse
--        wait     ms until asking again makes sense, when fewer were granted than wanted; else 0
--        state    closed | open | half-open | throttled | limited (why it waits)
--        generation   of the breaker; reports carry it, older ones are ignored
-- Slot   the provider's.
-- Repeat Grants are new ones (those of a lost answer lapse). Reports would count twice: a caller whose
--        answer was lost does not send them again.
--
-- Redis's clock may step back (a failover to another host): no time is trusted that lies further
-- ahead than this script could have written it.
local key = KEYS[1]
local want, threshold, open_for = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local quiet, max_probes, probe_life = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local interval, burst, pause_cap = tonumber(ARGV[7]), tonumber(ARGV[8]), tonumber(ARGV[9])

local time = redis.call('TIME')
local now_us = time[1] * 1000000 + time[2]
local now = math.floor(now_us / 1000)

local h = redis.call('HMGET', key, 'state', 'generation', 'failures', 'failed_at', 'opened_at', 'open_for',
	'probes', 'probes_until', 'throttled_until', 'tat')
local state, generation = h[1] or 'closed', tonumber(h[2]) or 0
local failures, failed_at = tonumber(h[3]) or 0, math.min(tonumber(h[4]) or 0, now)
local opened_at, opened_for = math.min(tonumber(h[5]) or 0, now), tonumber(h[6]) or open_for
local probes, probes_until = tonumber(h[7]) or 0, math.min(tonumber(h[8]) or 0, now + probe_life)
local throttled_until = math.min(tonumber(h[9]) or 0, now + pause_cap)
local tat = tonumber(h[10]) or 0
local set = {}
local function keep(name, value)
	set[#set + 1], set[#set + 2] = name, value
end

local opened = false
local function open(ms, why)
	state, opened_at, opened_for = 'open', now, ms
	generation, failures, probes = generation + 1, 0, 0
	opened = why
end

local function report(kind, count, ms, why)
	if kind == 'ok' then
		failures = 0
		if state == 'half-open' then
			state, probes = 'closed', 0
			generation = generation + 1
		end
	elseif kind == 'fail' then
		if now - failed_at > quiet then
			failures = 0
		end
		failures, failed_at = failures + count, now
		if state == 'half-open' or failures >= threshold then
			open(open_for, why)
		end
	elseif kind == 'void' then
		probes = math.max(0, probes - count)
	elseif kind == 'probing' then
		if state == 'half-open' then
			probes_until = now + probe_life
		end
	elseif kind == 'down' then
		open(ms > 0 and ms or open_for, why)
	elseif kind == 'throttled' then
		throttled_until = math.max(throttled_until, now + math.min(ms, pause_cap))
		probes = math.max(0, probes - count)
	end
end

for a = 10, #ARGV, 5 do
	-- An open breaker hears nothing: what is reported was sent before it opened.
	if ARGV[a + 1] == 'reset' then
		if state ~= 'closed' or failures > 0 then
			state, failures, probes = 'closed', 0, 0
			generation = generation + 1
		end
	elseif tonumber(ARGV[a]) == generation and state ~= 'open' then
		report(ARGV[a + 1], tonumber(ARGV[a + 2]), tonumber(ARGV[a + 3]), ARGV[a + 4])
	end
end

local granted, wait, why = 0, 0, state
if state == 'open' then
	wait = opened_at + opened_for - now
	if wait <= 0 then
		state, why, probes = 'half-open', 'half-open', 0
		generation = generation + 1
	end
end
if state ~= 'open' then
	granted = want
	wait = 0
	if throttled_until > now then
		granted, wait, why = 0, throttled_until - now, 'throttled'
	elseif state == 'half-open' then
		if now >= probes_until then
			probes = 0 -- whoever had them died
		end
		granted = math.max(0, math.min(want, max_probes - probes))
		if granted < want then
			wait = 1000 -- for the probes' verdict, which another worker may report
		end
	end
	if interval > 0 and granted > 0 then
		-- Generic cell rate algorithm: tat is when the bucket is full again.
		local depth = burst * interval
		local from = math.max(math.min(tat, now_us + depth), now_us)
		local room = math.floor((now_us + depth - from) / interval)
		if room < granted then
			granted = math.max(0, room)
			wait = math.max(1, math.ceil((from + (granted + 1) * interval - depth - now_us) / 1000))
			why = state == 'half-open' and why or 'limited'
		end
		if granted > 0 then
			tat = from + granted * interval
			keep('tat', tat)
		end
	end
	if state == 'half-open' and granted > 0 then
		probes, probes_until = probes + granted, now + probe_life
	end
end

if state ~= (h[1] or 'closed') then keep('state', state) end
if generation ~= (tonumber(h[2]) or 0) then keep('generation', generation) end
if failures ~= (tonumber(h[3]) or 0) then keep('failures', failures) end
if failed_at ~= (tonumber(h[4]) or 0) then keep('failed_at', failed_at) end
if opened_at ~= (tonumber(h[5]) or 0) then keep('opened_at', opened_at) end
if opened_for ~= (tonumber(h[6]) or open_for) then keep('open_for', opened_for) end
if probes ~= (tonumber(h[7]) or 0) then keep('probes', probes) end
if probes_until ~= (tonumber(h[8]) or 0) then keep('probes_until', probes_until) end
if throttled_until ~= (tonumber(h[9]) or 0) then keep('throttled_until', throttled_until) end
if opened then
	keep('reason', opened)
	redis.call('HINCRBY', key, 'opened', 1)
end
if #set > 0 then
	redis.call('HSET', key, unpack(set))
end
return { granted, wait, why, generation, now }
