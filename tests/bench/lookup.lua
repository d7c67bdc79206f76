-- wrk: looks up what post.lua has posted; prints figures that bench.py reads.
local n = 0

function request()
	n = n % 1000 + 1 -- wrk asks once before it begins, so post-1 was never sent
	return wrk.format('GET', '/api/email/status/post-' .. n + 1)
end

function done(summary, latency)
	local errors = summary.errors
	io.write(string.format('figure rate %.0f\nfigure p99_us %.0f\nfigure refused %d\n',
		summary.requests / summary.duration * 1e6, latency:percentile(99),
		errors.status + errors.connect + errors.read + errors.write + errors.timeout))
end
