/* fleet.js - the workers: which version each runs, how much it has in hand, when it was last heard of. */

import {el, keyedList, setText, show} from './dom.js';
import {count, duration, plural, setWhen} from './format.js';
import {get} from './http.js';
import {empty, heading, problem, table} from './page.js';
import {setPill} from './pill.js';

const LOOK_MS = 2000;
const COLUMNS = [['Worker', ''], ['State', ''], ['Version', ''], ['In hand', ''], ['Heartbeat', 'num'], ['Started', '']];

function row(t, {name}) {
	const pillNode = el('span', {class: 'pill'}), version = t.cell(2), heartbeat = t.cell(4), started = el('time');
	const bar = el('span', {class: 'meter-bar'}), words = el('span', {class: 'meter-text'});
	const node = el('tr', null, el('th', {scope: 'row', 'data-label': 'Worker'}, el('code', null, name)), t.cell(1, pillNode), version,
	                t.cell(3, el('span', {class: 'meter', 'aria-hidden': 'true'}, bar), ' ', words), heartbeat, t.cell(5, started));

	return {node, update(w) {
		setPill(pillNode, w.alive ? 'alive' : 'gone');
		setText(version, w.version ?? 'not told yet');
		bar.style.width = `${Math.min(1, (w.inFlight ?? 0) / (w.concurrency || 1)) * 100}%`;
		setText(words, w.concurrency === null ? '–' : `${count(w.inFlight)} of ${count(w.concurrency)}`);
		setText(heartbeat, `${duration(w.heartbeatMs)} ago`);
		setWhen(started, w.startedAt);
	}};
}

function summary(fleet) {
	const alive = fleet.workers.filter((w) => w.alive), slots = alive.reduce((n, w) => n + (w.concurrency ?? 0), 0);
	const versions = [...new Set(alive.map((w) => w.version).filter(Boolean))];
	const mixed = versions.length > 1 ? ` They run different versions: ${versions.join(', ')}.` : '';

	return `${plural(alive.length, 'worker')} alive, with room for ${plural(slots, 'mail')} at once.${mixed}${fleet.total > fleet.workers.length ? ` The ${count(fleet.workers.length)} heard of last are shown, of ${count(fleet.total)}.` : ''}`;
}

export function fleetPage(main) {
	const words = el('p', {class: 'lead'}), t = table('Workers', COLUMNS), place = el('div', {class: 'place', 'aria-live': 'polite'});
	const card = el('section', {class: 'card', hidden: true}, el('h2', null, 'Workers'), words, t.node);
	const update = keyedList(t.body, (w) => w.name, (w) => row(t, w));
	let timer = 0, ended = false, said = '';

	/* What is said stays, so that it is said once. */
	function say(key, node) {
		if (said !== key)
			place.replaceChildren(...[node()].filter(Boolean));
		said = key;
	}

	async function look() {
		try {
			const fleet = await get('/api/workers');

			if (ended)
				return;
			show(card, fleet.workers.length > 0);
			setText(words, summary(fleet));
			update(fleet.workers);
			say(fleet.workers.length > 0 ? 'some' : 'none', () => fleet.workers.length === 0 &&
				empty('No worker is alive.', 'Mail is accepted and waits. Start one on any host that reaches Redis:', el('code', null, 'postrider worker')));
		} catch (e) {
			if (ended)
				return;
			say(`error ${e.status}`, () => problem(e));
			if (e.status === 401)
				return;
		}
		timer = setTimeout(look, LOOK_MS);
	}

	main.append(heading('Fleet', 'Workers add themselves. One that is not heard of for five seconds counts as gone; others take over what it had.'), place, card);
	look();
	return () => {
		ended = true;
		clearTimeout(timer);
	};
}
