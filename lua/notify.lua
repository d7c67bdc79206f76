-- notify: puts webhooks into their queue, each unless its endpoint is disabled.
--
-- KEYS   1 the webhooks' list  2 its jobs  3 its disabled endpoints
-- ARGV   for each webhook: its URL, its payload
-- Returns one text for each: ok; disabled (its endpoint has answered 410: nothing was pushed)
-- Slot   the webhooks' queue's.
-- Repeat Pushes them again. Receivers know the second one by its webhook-id.
local list, jobs, disabled = KEYS[1], KEYS[2], KEYS[3]

-- Memory may be full, and what is told of has happened: a write that frees comes first.
redis.call('HDEL', jobs, '')
local urls, out, payloads = {}, {}, {}
for i = 1, #ARGV, 2 do
	urls[#urls + 1] = ARGV[i]
end
if #urls == 0 then
	return out
end
local scores = redis.call('ZMSCORE', disabled, unpack(urls))
for i = 1, #urls do
	if scores[i] then
		out[i] = 'disabled'
	else
		out[i] = 'ok'
		payloads[#payloads + 1] = ARGV[2 * i]
	end
end
if #payloads > 0 then
	redis.call('LPUSH', list, unpack(payloads))
end
return out
