/* watch.js - mails that were sent from here, each watched until it is settled; they stay while the page is open. */

import {clamped, el, keyedList, setText, show} from './dom.js';
import {count, setWhen} from './format.js';
import {get} from './http.js';
import {isSettled, mailAddress, statusPath} from './mail.js';
import {table} from './page.js';
import {setPill} from './pill.js';

const AT_ONCE = 6;
const EVERY_MS = 1000;
const SHOWN = 50;

const watched = []; /* {key, to, subject, mail (or null), lookAt}; the newest first */
const listeners = new Set();
let timer = 0, busy = 0;

function tell() {
	for (const fn of listeners)
		fn();
}

const isOpen = (w) => w.mail === null || !isSettled(w.mail);

async function look(w) {
	busy++;
	w.looking = true;
	try {
		w.mail = await get(statusPath(w.key));
	} catch {
		/* away, or limited: again later */
	}
	w.looking = false;
	w.tries++;
	w.lookAt = Date.now() + Math.min(EVERY_MS * (1 + w.tries / 4), 10 * EVERY_MS);
	busy--;
	tell();
}

function tick() {
	const now = Date.now();

	for (const w of watched) {
		if (busy >= AT_ONCE)
			break;
		if (!w.looking && isOpen(w) && w.lookAt <= now)
			look(w);
	}
	if (!watched.some(isOpen)) {
		clearInterval(timer);
		timer = 0;
	}
}

export function watch(mails) {
	for (const {idempotencyKey, to, subject} of mails)
		if (!watched.some((w) => w.key === idempotencyKey))
			watched.unshift({key: idempotencyKey, to: [to].flat().map((t) => t?.email ?? t).join(', '), subject, mail: null, lookAt: 0, tries: 0, looking: false});
	if (timer === 0)
		timer = setInterval(tick, 200);
	tick();
	tell();
}

const COLUMNS = [['Key', ''], ['To', ''], ['Subject', ''], ['Status', ''], ['Attempts', 'num'], ['Last change', '']];

function row(t, w) {
	const pillNode = el('span', {class: 'pill'}), attempts = t.cell(4), changed = el('time');
	const node = el('tr', null, el('th', {scope: 'row', 'data-label': 'Key'}, el('a', {href: mailAddress(w.key)}, clamped(w.key))),
	                t.cell(1, clamped(w.to)), t.cell(2, clamped(w.subject ?? '')), t.cell(3, pillNode), attempts, t.cell(5, changed));

	return {node, update() {
		setPill(pillNode, w.mail?.status ?? 'posted');
		setText(attempts, count(w.mail?.attempts ?? 0));
		setWhen(changed, w.mail?.updatedAt ?? null);
	}};
}

/* The section that shows them; end() when the page is left. */
export function watchList() {
	const t = table('Watched mails', COLUMNS);
	const bar = el('progress', {class: 'progress', max: '1', 'aria-label': 'Settled mails'}), words = el('p', {class: 'watch-words', role: 'status'});
	const more = el('p', {class: 'hint'});
	const node = el('section', {class: 'card', id: 'watched'}, el('h2', null, 'Watched until they are settled'), words, bar, t.node, more);
	const update = keyedList(t.body, (w) => w.key, (w) => row(t, w));

	function draw() {
		const settled = watched.filter((w) => !isOpen(w));
		const by = (status) => settled.filter((w) => w.mail.status === status).length;
		const parts = ['sent', 'failed', 'held', 'cancelled'].filter((s) => by(s) > 0).map((s) => `${count(by(s))} ${s}`);

		show(node, watched.length > 0);
		bar.max = Math.max(1, watched.length);
		bar.value = settled.length;
		/* a screen reader is told when it is over, and not of each mail */
		const over = settled.length === watched.length && watched.length > 0;
		const so_far = over ? '' : `${count(settled.length)} of ${count(watched.length)} settled${parts.length ? `: ${parts.join(', ')}` : ''}. `;

		setText(words, over ? `All ${count(watched.length)} settled: ${parts.join(', ')}.` : '');
		setText(more, `${so_far}${watched.length > SHOWN ? `The last ${SHOWN} are shown.` : ''}`);
		update(watched.slice(0, SHOWN));
	}

	listeners.add(draw);
	draw();
	return {node, end: () => listeners.delete(draw)};
}
