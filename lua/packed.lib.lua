-- packed.lib: reads what came packed in the last argument. Included, not a script.
--
-- A packed argument is MessagePack: the values one after the other, all of them strings. Redis spends
-- more on fetching a small argument than on most of what a script does with it; one that is packed
-- costs half as much (tests/bench/README.md).
--   values(n)   the next n of them
--   more()      are there any?
local read, packed = cmsgpack.unpack_limit, ARGV[#ARGV]
local at = packed == '' and -1 or 0

local function passed(next, ...)
	at = next
	return ...
end
local function values(n)
	if n ~= 0 then
		return passed(read(packed, n, at))
	end
end
local function more()
	return at >= 0
end
