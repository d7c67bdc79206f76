-- packed.lib: reads what came packed in the last argument. Included, not a script.
--
-- A packed argument is MessagePack: the values one after the other, strings, and numbers where a script counts
-- with them. Redis spends more on fetching a small argument than on most of what a script does with it; one that
-- is packed costs half as much (tests/bench/README.md).
--   at, a, b = read(packed, 2, at)    the next two of them; at is where they begin
--   values(n)                         the next n of them, also 0
local read, packed = cmsgpack.unpack_limit, ARGV[#ARGV]
local at = 0

local function passed(next, ...)
	at = next
	return ...
end
local function values(n)
	if n ~= 0 then
		return passed(read(packed, n, at))
	end
end
