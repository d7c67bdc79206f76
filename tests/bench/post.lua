-- wrk: posts mails, each with a key of its own; prints figures that bench.py reads.
local n = 0
local head = { ['Content-Type'] = 'application/json' }
local text = string.rep('x', 600)

function request()
	n = n + 1
	local body = string.format('{"to":"b@example.com","from":"a@example.com","subject":"A measurement","text":"%s",'
		.. '"idempotencyKey":"post-%d"}', text, n)
	return wrk.format('POST', '/api/email/send', head, body)
end

function done(summary, latency)
	local errors = summary.errors
	io.write(string.format('figure rate %.0f\nfigure p99_us %.0f\nfigure refused %d\n',
		summary.requests / summary.duration * 1e6, latency:percentile(99),
		errors.status + errors.connect + errors.read + errors.write + errors.timeout))
end
