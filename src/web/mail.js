/* mail.js - one mail by its key: what is known of it, its timeline attempt by attempt, and what can be done with it. */

import {confirm} from './dialog.js';
import {el, setText, show} from './dom.js';
import {count, duration, setWhen, when} from './format.js';
import {get, post, remove} from './http.js';
import {attempt, notice} from './notice.js';
import {empty, heading, problem} from './page.js';
import {pill, setPill} from './pill.js';
import {may} from './session.js';

const LOOK_MS = 1000;
const SETTLED = ['sent', 'failed', 'held', 'cancelled'];

export const isSettled = (mail) => SETTLED.includes(mail.status);
export const statusPath = (key) => `/api/email/status/${encodeURIComponent(key)}`;
export const mailAddress = (key) => `#/mail/${encodeURIComponent(key)}`;

/* What happened to a mail that has this status, in a sentence. */
const ENDS = {
	queued: 'Accepted; no worker has taken it yet.',
	scheduled: 'Waits for its time.',
	sending: 'In the hands of a provider now.',
	retrying: 'Waits for its next attempt.',
	sent: 'A provider has taken it.',
	failed: 'Given up. It is kept as a dead letter.',
	held: 'Nobody knows whether it was delivered, so it is not sent again by itself.',
	cancelled: 'Cancelled before it was sent.',
};

function timelineStep(a) {
	const late = a.lateToken !== undefined;

	return el('li', {class: 'step', data: {outcome: a.outcome}},
	          el('div', {class: 'step-head'}, el('strong', null, late ? 'A late report' : `Attempt ${a.attempt}`), pill(a.outcome),
	             el('span', {class: 'step-meta'}, `by ${a.provider}`), a.ms !== undefined && el('span', {class: 'step-meta'}, `in ${duration(a.ms)}`)),
	          el('p', {class: 'step-text'}, a.code && el('code', null, a.code), a.code && a.text && ' ', a.text));
}

/* Redrawn only when it has changed. */
export function timeline() {
	const node = el('ol', {class: 'timeline', 'aria-label': 'Timeline'});
	let drawn = '';

	return {node, update(mail) {
		const key = JSON.stringify([mail.timeline, mail.status, mail.nextAttemptAt, mail.updatedAt]);

		if (key === drawn)
			return;
		drawn = key;
		node.replaceChildren(
			el('li', {class: 'step', data: {outcome: 'begin'}}, el('div', {class: 'step-head'}, el('strong', null, 'Accepted'), when(mail.createdAt))),
			...mail.timeline.map(timelineStep),
			el('li', {class: 'step end', data: {outcome: mail.status}}, el('div', {class: 'step-head'}, pill(mail.status), mail.nextAttemptAt && !isSettled(mail) ? el('span', {class: 'step-meta'}, 'next attempt ', when(mail.nextAttemptAt)) : when(mail.updatedAt)),
			   el('p', {class: 'step-text'}, ENDS[mail.status] ?? '')));
	}};
}

function facts() {
	const rows = [
		['To', (m) => m.to], ['Subject', (m) => m.subject], ['Provider', (m) => m.provider], ['Attempts', (m) => count(m.attempts)],
		['Error', (m) => m.error], ['Recipients', (m) => m.recipients], ['Message ID', (m) => m.messageId],
		['Dropped repeats', (m) => m.duplicates > 0 ? count(m.duplicates) : null],
	].map(([title, pick]) => {
		const value = el('dd');

		return {pick, value, node: el('div', {class: 'pair'}, el('dt', null, title), value)};
	});
	const created = el('time'), updated = el('time');
	const node = el('dl', {class: 'pairs'}, rows.map((r) => r.node),
	                el('div', {class: 'pair'}, el('dt', null, 'Created'), el('dd', null, created)),
	                el('div', {class: 'pair'}, el('dt', null, 'Updated'), el('dd', null, updated)));

	return {node, update(mail) {
		for (const r of rows) {
			setText(r.value, r.pick(mail));
			show(r.node, Boolean(r.pick(mail)));
		}
		setWhen(created, mail.createdAt);
		setWhen(updated, mail.updatedAt);
	}};
}

async function resend(key, mail) {
	const sent = mail.status === 'sent';
	const body = sent ? 'It was sent. The same content goes out once more, under a new key: whoever got it gets it twice.'
	                  : mail.status === 'held' ? 'Nobody knows whether it was delivered: whoever got it gets it twice. It goes out under a new key.' : 'The same content goes out again, under a new key.';

	if (!await confirm({title: 'Send this mail again?', action: 'Send again', danger: sent, body: el('p', null, body)}))
		return;
	const answer = await post(`/api/email/resend/${encodeURIComponent(key)}`, sent ? {force: true} : {});
	notice('Accepted under a new key.');
	location.hash = mailAddress(answer.idempotencyKey);
}

async function cancel(key) {
	if (!await confirm({title: 'Cancel this mail?', action: 'Cancel the mail', danger: true, body: el('p', null, 'It is not sent, and its key stays used. This cannot be undone.')}))
		return;
	await remove(`/api/email/${encodeURIComponent(key)}`);
	notice('The mail is cancelled.');
}

function card(key) {
	const pillNode = el('span', {class: 'pill'}), all = facts(), steps = timeline();
	const archived = el('p', {class: 'hint', hidden: true}, 'Redis has forgotten it: this is what the archive knows. It cannot be sent again from here.');
	const again = el('button', {type: 'button'}, 'Resend'), stop = el('button', {type: 'button', class: 'danger'}, 'Cancel');
	let mail = null;
	const node = el('div', {class: 'halves mail'},
	                el('section', {class: 'card'}, el('div', {class: 'card-head'}, el('h2', {class: 'key'}, key), pillNode), all.node, archived,
	                   may('send') && el('div', {class: 'actions'}, again, stop)),
	                el('section', {class: 'card'}, el('h2', null, 'Timeline'), steps.node));

	again.addEventListener('click', () => attempt(again, () => resend(key, mail)));
	stop.addEventListener('click', () => attempt(stop, () => cancel(key)));
	return {node, update(now) {
		mail = now;
		setPill(pillNode, mail.status);
		all.update(mail);
		steps.update(mail);
		show(archived, mail.archived === true);
		show(again, !mail.archived && ['sent', 'failed', 'held'].includes(mail.status));
		show(stop, !mail.archived && ['queued', 'scheduled', 'retrying'].includes(mail.status));
	}};
}

/* Looks the mail up until it is settled. The result ends it. */
function follow(key, place) {
	const shown = card(key);
	let timer = 0, ended = false;

	async function look() {
		try {
			const mail = await get(statusPath(key));

			if (ended)
				return;
			if (shown.node.parentNode !== place)
				place.replaceChildren(shown.node);
			shown.update(mail);
			/* one that is settled may be retried, or cancelled, from elsewhere */
			timer = setTimeout(look, isSettled(mail) ? 5 * LOOK_MS : LOOK_MS);
		} catch (e) {
			if (ended)
				return;
			place.replaceChildren(e.status === 404
				? empty('No mail has this key.', 'Is it written exactly as it was pushed? What is settled is forgotten after STATUS_TTL (a week, unless it was changed). A job without a key is called auto- and its id.')
				: problem(e));
			if (e.status !== 401)
				timer = setTimeout(look, 2 * LOOK_MS);
		}
	}

	look();
	return () => {
		ended = true;
		clearTimeout(timer);
	};
}

export function mailPage(main, [key]) {
	const input = el('input', {type: 'search', id: 'mail-key', value: key ?? '', autocomplete: 'off', spellcheck: 'false', maxlength: '256', required: true, placeholder: 'order-42'});
	const form = el('form', {class: 'search', role: 'search'}, el('label', {for: 'mail-key'}, 'Idempotency key'), el('div', {class: 'search-line'}, input, el('button', {type: 'submit', class: 'primary'}, 'Look up')));
	const place = el('div', {id: 'mail-found'});

	form.addEventListener('submit', (e) => {
		e.preventDefault();
		if (input.value.trim() !== '')
			location.hash = mailAddress(input.value.trim());
	});
	main.append(heading('Mail', 'What became of one mail, by the key under which it was pushed.'), form, place);
	if (key)
		return follow(key, place);
	place.append(empty('Which mail?', 'Give the idempotency key under which it was pushed, or auto- and the id of a job without one.'));
	return undefined;
}
