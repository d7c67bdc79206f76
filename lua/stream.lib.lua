-- What gather and lag share: reading what XINFO says, and comparing ids of entries.

local function fields(list)
	local map = {}
	for i = 1, #list, 2 do
		map[list[i]] = list[i + 1]
	end
	return map
end

-- nil: there is no such group, or no stream.
local function find_group(events, group)
	local groups = redis.pcall('XINFO', 'GROUPS', events)
	for i = 1, groups.err and 0 or #groups do
		local each = fields(groups[i])
		if each.name == group then
			return each
		end
	end
end

local function before(a, b)
	local a_ms, a_n = string.match(a, '(%d+)-(%d+)')
	local b_ms, b_n = string.match(b, '(%d+)-(%d+)')
	a_ms, b_ms = tonumber(a_ms), tonumber(b_ms)
	return a_ms < b_ms or (a_ms == b_ms and tonumber(a_n) < tonumber(b_n))
end
