/* live.js - the fleet's figures as they come (GET /api/live), and what of them is kept: five minutes.
 *
 * state.connection: 'connecting' before the first event, 'open', 'lost'. state.fleet: the last event, or null. */

import {setNow} from './format.js';
import {get} from './http.js';

const KEEP_MS = 300000;
const SILENT_MS = 6000; /* without the next event for so long, the connection is as good as lost */
const RETRY_MS = 2000;

export const state = {connection: 'connecting', fleet: null, samples: []};

const listeners = new Set();
let source = null;
let heard = 0;
let retry = 0;
let watch = 0;

/* fn(state) is called with every change, and at once; the result unsubscribes. */
export function subscribe(fn) {
	listeners.add(fn);
	fn(state);
	return () => listeners.delete(fn);
}

function tell() {
	for (const fn of listeners)
		fn(state);
}

function setConnection(connection) {
	if (state.connection === connection)
		return;
	state.connection = connection;
	tell();
}

/* The counts of a sample only grow. Those of before this page was opened have no histograms. */
function takeHistory(event) {
	const known = new Set(state.samples.map((s) => s.at));

	for (const [at, sent, failed, held, retried] of JSON.parse(event.data))
		if (!known.has(at))
			state.samples.push({at, sent, failed, held, retried});
	state.samples.sort((a, b) => a.at - b.at);
}

function takeFleet(event) {
	const fleet = JSON.parse(event.data);

	heard = Date.now();
	if (fleet.redis)
		setNow(fleet.at);
	state.fleet = fleet;
	state.connection = 'open';
	if (fleet.redis && state.samples.at(-1)?.at !== fleet.at)
		state.samples.push({at: fleet.at, ...fleet.totals, fleet});
	else if (fleet.redis)
		state.samples.at(-1).fleet = fleet;
	while (state.samples.length > 0 && state.samples[0].at < fleet.at - KEEP_MS)
		state.samples.shift();
	tell();
}

/* The browser tries again by itself, unless it was answered with an error. */
function onError() {
	setConnection('lost');
	if (source?.readyState !== EventSource.CLOSED)
		return;
	source = null;
	clearTimeout(retry);
	retry = setTimeout(async () => {
		try {
			await get('/api/email/queue/status'); /* a 401 leads to the sign-in page */
		} catch (e) {
			if (e.status === 401 || e.status === 403)
				return;
		}
		start();
	}, RETRY_MS);
}

function look() {
	if (source !== null && heard > 0 && Date.now() - heard > SILENT_MS + (state.fleet?.everyMs ?? 0))
		setConnection('lost');
}

export function start() {
	if (source !== null)
		return;
	source = new EventSource('/api/live');
	source.addEventListener('history', takeHistory);
	source.addEventListener('fleet', takeFleet);
	source.addEventListener('error', onError);
	clearInterval(watch);
	watch = setInterval(look, 1000);
}

export function stop() {
	source?.close();
	source = null;
	clearTimeout(retry);
	clearInterval(watch);
	Object.assign(state, {connection: 'connecting', fleet: null, samples: []});
}
