/* overview.js - the page that is open all day: is all well, how much goes through, what waits, and the providers. */

import {clamped, el, keyedList, setText, show} from './dom.js';
import {chart, SMOOTH_MS} from './chart.js';
import {count, duration, rate} from './format.js';
import {state, subscribe} from './live.js';
import {empty, heading} from './page.js';
import {setPill} from './pill.js';
import {providerCard} from './provider.js';
import {queueTable} from './queue.js';
import {lately, quantile, rateNow} from './window.js';
const PROBLEMS = 5; /* of which the banner tells at once */

/* What to do about what /health calls a problem. */
const ADVICE = [
	[/^Redis does not answer/, 'Is Redis running, and reachable from the API (REDIS_URL)? Nothing that was accepted is lost: mail goes on when it is back. What is grey below is the last that was known.'],
	[/^no worker is alive/, 'Mail is accepted and waits. Start a worker: postrider worker'],
	[/^no provider can be sent through/, 'Mail waits; no attempt is charged. Reset a breaker below when its provider is well again.'],
	[/^queue .* paused$/, 'Its mail waits until somebody resumes it.'],
	[/^provider .* paused$/, 'Its mail goes by the others until somebody resumes it.'],
];

function banner() {
	const list = el('ul', {class: 'banner-list'}), more = el('details', {class: 'more', hidden: true});
	const pillNode = el('span', {class: 'pill'}), title = el('p', {class: 'banner-title'});
	const node = el('div', {class: 'banner', role: 'status'}, el('div', {class: 'banner-head'}, pillNode, title), list, more);
	let said = '';

	return {node, update(s) {
		const fleet = s.fleet, lost = s.connection === 'lost';
		const word = lost ? 'lost' : fleet?.status ?? 'connecting';
		const problems = lost ? [] : fleet?.problems ?? [];
		const key = JSON.stringify([word, problems]);

		if (key === said)
			return;
		said = key;
		node.className = `banner ${lost || word === 'unhealthy' ? 'bad' : word === 'degraded' ? 'warn' : word === 'healthy' ? 'good' : ''}`;
		setPill(pillNode, lost ? 'connection lost' : word);
		setText(title, {
			lost: 'The API cannot be reached. These figures are the last known; the page goes on by itself when it is back.',
			connecting: 'Waiting for the first figures…',
			healthy: 'All is well: mail is going out.',
			degraded: 'Mail goes out, but not all is well.',
			unhealthy: 'Mail cannot go out.',
		}[word] ?? '');
		const items = problems.map((p) => {
			const advice = ADVICE.find(([what]) => what.test(p));

			return el('li', null, el('strong', null, clamped(p)), advice && el('span', {class: 'advice'}, advice[1]));
		});
		const rest = items.splice(items.length > PROBLEMS + 1 ? PROBLEMS : items.length);

		list.replaceChildren(...items);
		more.replaceChildren(...(rest.length > 0 ? [el('summary', null, `${rest.length} more`), el('ul', {class: 'banner-list'}, rest)] : []));
		show(more, rest.length > 0);
	}};
}

function tile(title, href) {
	const value = el('span', {class: 'tile-value'}), unit = el('span', {class: 'tile-unit'}), note = el('span', {class: 'tile-note'});
	const inside = [el('span', {class: 'tile-title'}, title), el('span', {class: 'tile-figure'}, value, ' ', unit), note];

	return {
		node: href ? el('a', {class: 'tile', href}, inside) : el('div', {class: 'tile'}, inside),
		set(v, u, n) {
			setText(value, v);
			setText(unit, u);
			setText(note, n);
		},
	};
}

const sum = (queues, name) => queues.reduce((n, q) => n + (q[name] ?? 0), 0);
const known = (queues, name) => queues.map((q) => q[name]).filter((v) => v !== null && v !== undefined);

function tiles() {
	const sending = tile('Sending'), waiting = tile('Waiting'), flight = tile('In flight');
	const delayed = tile('Delayed'), dead = tile('Dead letters', '#/dead'), workers = tile('Workers', '#/fleet');
	const node = el('div', {class: 'tiles'}, [sending, waiting, flight, delayed, dead, workers].map((t) => t.node));
	let shown = false; /* figures, which stay (grey) while Redis is away */

	return {node, update(s) {
		const {fleet, samples} = s, queues = fleet?.queues ?? [];
		const oldest = known(queues, 'oldestMs'), due = known(queues, 'nextDueMs'), claims = known(queues, 'lastClaimMs');
		const mails = (n) => n === 1 ? 'mail' : 'mails';

		if (!fleet?.redis && !shown)
			for (const t of [sending, waiting, flight, delayed, dead, workers])
				t.set('–', '', '');
		if (!fleet?.redis)
			return;
		shown = true;
		const failing = rateNow(samples, 'failed', SMOOTH_MS);
		sending.set(rate(rateNow(samples, 'sent', SMOOTH_MS)), 'mails/s', failing ? `${rate(failing)} failed/s` : 'none fails');
		waiting.set(count(sum(queues, 'depth')), mails(sum(queues, 'depth')),
		            oldest.length ? `the oldest for ${duration(Math.max(...oldest))}` : sum(queues, 'depth') > 0 && claims.length ? `last taken ${duration(Math.min(...claims))} ago` : 'nothing waits');
		if (sum(queues, 'depth') > 0 && !oldest.length && !claims.length)
			waiting.set(count(sum(queues, 'depth')), mails(sum(queues, 'depth')), 'no worker has come by yet');
		flight.set(count(sum(queues, 'inFlight')), mails(sum(queues, 'inFlight')), 'in the hands of workers');
		delayed.set(count(sum(queues, 'delayed')), mails(sum(queues, 'delayed')), due.length ? `the next due in ${duration(Math.min(...due))}` : 'no retries, none scheduled');
		dead.set(count(sum(queues, 'dead')), sum(queues, 'dead') === 1 ? 'letter' : 'letters', sum(queues, 'dead') > 0 ? 'look at them' : 'none');
		workers.set(count(fleet.workers), 'alive', fleet.workers > 0 ? 'see the fleet' : 'mail waits for one');
	}};
}

/* One kind of latency: what it counts, and three quantiles. */
function latencyRow(title, what, pick) {
	const cells = [0.5, 0.95, 0.99].map((q) => ({q, node: el('td', {class: 'num'})}));
	const node = el('tr', null, el('th', {scope: 'row'}, title), cells.map((c) => c.node));

	node.title = what;
	return {node, update({samples, fleet}) {
		const seen = lately(samples, pick);

		for (const c of cells)
			setText(c.node, duration(quantile(seen.slots, fleet.bounds, c.q)));
		return seen.lately;
	}};
}

/* Of all providers together. */
function callSlots(fleet) {
	return fleet.providers?.reduce((sums, p) => p.call.map((n, i) => n + (sums[i] ?? 0)), []);
}

function latency() {
	const rows = [
		latencyRow('Waiting', 'From when a mail could be sent to the attempt', (f) => f.wait),
		latencyRow('Provider', 'From handing a mail to a provider to its answer', callSlots),
		latencyRow('Until sent', 'From acceptance (or the first claim of a plain push) until it was sent', (f) => f.total),
	];
	const note = el('p', {class: 'hint'});
	const node = el('table', {class: 'table compact'}, el('caption', {class: 'sr-only'}, 'Latency'),
	                el('thead', null, el('tr', null, el('th', {scope: 'col'}, 'Step'), ['p50', 'p95', 'p99'].map((p) => el('th', {scope: 'col', class: 'num'}, p)))),
	                el('tbody', null, rows.map((r) => r.node)));

	return {nodes: [node, note], update(s) {
		if (s.fleet?.redis)
			setText(note, rows.map((r) => r.update(s)).some((lately) => lately) ? 'Of the last minutes.' : 'Of all mail so far.');
	}};
}

function section(title, ...content) {
	return el('section', {class: 'card'}, el('h2', null, title), content);
}

export function overviewPage(main) {
	const head = banner(), figures = tiles(), picture = chart(), times = latency(), queues = queueTable();
	const cards = el('div', {class: 'providers'});
	const none = empty('No provider is known yet.', 'Workers tell of theirs when they start: PROVIDERS=relay, PROVIDER_RELAY=smtp://…');
	const update = keyedList(cards, (p) => p.stats.name, (p) => providerCard(p.stats.name));

	main.append(heading('Overview'), head.node, figures.node,
	            el('div', {class: 'halves'},
	               section('Mails a second', picture.node),
	               section('How long it takes', times.nodes)),
	            el('section', {'aria-labelledby': 'providers-title'}, el('h2', {id: 'providers-title'}, 'Providers'), none, cards),
	            section('Queues', queues.node));
	const leave = subscribe((s) => {
		head.update(s);
		figures.update(s);
		main.classList.toggle('stale', s.connection === 'lost' || s.fleet?.redis === false);
		if (!s.fleet?.redis)
			return;
		picture.update(s.samples, s.fleet.at);
		times.update(s);
		queues.update(s.fleet.queues);
		show(none, s.fleet.providers.length === 0);
		update(s.fleet.providers);
	});

	show(none, state.fleet?.providers?.length === 0);
	return () => {
		leave();
		picture.end();
		main.classList.remove('stale');
	};
}
