/* send.js - one mail by a form, or many by JSON or CSV; each is watched until it is settled. */

import {read, newKey} from './batch.js';
import {el, setText, show} from './dom.js';
import {count, plural} from './format.js';
import {post, Refusal} from './http.js';
import {attempt, notice} from './notice.js';
import {empty, field, heading} from './page.js';
import {may} from './session.js';
import {watch, watchList} from './watch.js';

const CHUNK = 50;
const PAUSE_MS = 1000;
const EXAMPLE = 'to,subject,body,idempotencyKey\nada@example.com,Your order,It has left today.,order-42\nbob@example.com,Your order,"It is late, alas.",order-43';

/* --- one ----------------------------------------------------------------------------------------------------- */

function oneForm() {
	const to = el('input', {type: 'text', required: true, autocomplete: 'off', placeholder: 'ada@example.com', inputmode: 'email'});
	const subject = el('input', {type: 'text', required: true, maxlength: '199', autocomplete: 'off'});
	const body = el('textarea', {rows: '8', required: true});
	const key = el('input', {type: 'text', required: true, maxlength: '100', value: newKey(), autocomplete: 'off', spellcheck: 'false'});
	const priority = el('select', null, [['', 'Normal'], ['9', 'High'], ['1', 'Low']].map(([value, title]) => el('option', {value}, title)));
	const faults = el('div', {class: 'faults', role: 'alert', hidden: true});
	const button = el('button', {type: 'submit', class: 'primary'}, 'Send');
	const form = el('form', {class: 'form', novalidate: false}, field('To', to, 'Several: with commas between.'), field('Subject', subject), field('Text', body),
	                el('div', {class: 'two'}, field('Idempotency key', key, 'The same key is never sent twice.'), field('Priority', priority)),
	                faults, el('div', {class: 'actions'}, button));

	async function send() {
		const list = to.value.split(',').map((t) => t.trim()).filter((t) => t !== '');
		const mail = {to: list.length === 1 ? list[0] : list, subject: subject.value, text: body.value, idempotencyKey: key.value.trim()};

		if (priority.value !== '')
			mail.priority = Number(priority.value);
		show(faults, false);
		try {
			await post('/api/email/send', mail);
		} catch (e) {
			if (!(e instanceof Refusal) || e.status !== 400)
				throw e;
			faults.replaceChildren(...(e.details.length > 0 ? e.details : [e.message]).map((d) => el('p', null, d)));
			show(faults, true);
			return;
		}
		watch([mail]);
		notice('Accepted. It is watched below.');
		key.value = newKey();
	}

	form.addEventListener('submit', (e) => {
		e.preventDefault();
		attempt(button, send);
	});
	return el('section', {class: 'card'}, el('h2', null, 'One mail'), form);
}

/* --- many ---------------------------------------------------------------------------------------------------- */

function list(title, lines) {
	return el('details', {class: 'more', open: lines.length <= 3}, el('summary', null, title), el('ul', null, lines.slice(0, 50).map((l) => el('li', null, l)), lines.length > 50 && el('li', null, `and ${count(lines.length - 50)} more`)));
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/* Posts them a few at a time, and waits when it is told to. step(done) after each; stopped() ends it early. */
async function postAll(mails, step, stopped) {
	const refused = [];
	let size = CHUNK;

	for (let i = 0; i < mails.length && !stopped();) {
		const part = mails.slice(i, i + size);

		try {
			const answer = await post('/api/email/bulk-send', {emails: part});

			refused.push(...answer.errors.map((e) => `${part[e.index]?.idempotencyKey ?? `mail ${i + e.index + 1}`}: ${e.error}`));
			watch(answer.results.map((r) => part[r.index]));
		} catch (e) {
			if (e.status === 429 || e.status === 503) {
				await pause(e.retryAfter * 1000 || PAUSE_MS);
				continue;
			}
			if (e.status === 400 && size > 1) { /* fewer may be allowed at once */
				size = Math.ceil(size / 2);
				continue;
			}
			throw e;
		}
		i += part.length;
		step(i);
	}
	return refused;
}

function manyForm() {
	const text = el('textarea', {rows: '10', class: 'code', spellcheck: 'false', placeholder: EXAMPLE});
	const file = el('input', {type: 'file', accept: '.csv,.json,.ndjson,.txt,text/csv,application/json'});
	const found = el('div', {class: 'found', 'aria-live': 'polite'});
	const bar = el('progress', {class: 'progress', max: '1', value: 0, hidden: true, 'aria-label': 'Accepted mails'}), words = el('p', {class: 'hint'});
	const button = el('button', {type: 'submit', class: 'primary'}, 'Send'), stop = el('button', {type: 'button', hidden: true}, 'Stop');
	const form = el('form', {class: 'form'}, field('JSON or CSV', text, 'CSV with a first line of names (to, subject, body, …; several addresses with ; between), a JSON array, or one JSON object a line. What has no idempotencyKey gets one.'),
	                field('Or a file', file), found, bar, words, el('div', {class: 'actions'}, button, stop));
	let mails = [], stopped = false;

	function look() {
		mails = [];
		found.replaceChildren();
		setText(words, '');
		setText(button, 'Send');
		if (text.value.trim() === '')
			return;
		try {
			const all = read(text.value);

			({mails} = all);
			found.append(el('p', null, el('strong', null, plural(mails.length, 'mail')), ' can be sent.'));
			if (all.faults.length > 0)
				found.append(list(`${plural(all.faults.length, 'mail')} cannot`, all.faults));
			setText(button, mails.length > 0 ? `Send ${plural(mails.length, 'mail')}` : 'Send');
		} catch (e) {
			found.append(el('p', {class: 'fault'}, e.message));
		}
	}

	async function send() {
		if (mails.length === 0) {
			notice('There is nothing to send yet: paste JSON or CSV.', 'bad');
			return;
		}
		const all = mails;

		stopped = false;
		show(bar, true);
		show(stop, true);
		bar.max = all.length;
		bar.value = 0;
		try {
			const refused = await postAll(all, (n) => {
				bar.value = n;
				setText(words, `${count(n)} of ${count(all.length)} posted`);
			}, () => stopped);

			if (refused.length > 0)
				found.replaceChildren(list(`${plural(refused.length, 'mail')} refused`, refused));
			notice(`${stopped ? 'Stopped: ' : ''}${plural(bar.value - refused.length, 'mail')} accepted${refused.length > 0 ? `, ${count(refused.length)} refused` : ''}.`, refused.length > 0 ? 'bad' : 'ok');
		} finally {
			show(stop, false);
		}
	}

	text.addEventListener('input', look);
	file.addEventListener('change', async () => {
		if (!file.files[0])
			return;
		text.value = await file.files[0].text();
		look();
	});
	stop.addEventListener('click', () => {
		stopped = true;
	});
	form.addEventListener('submit', (e) => {
		e.preventDefault();
		attempt(button, send);
	});
	return el('section', {class: 'card'}, el('h2', null, 'Many mails'), form);
}

/* --- the page ------------------------------------------------------------------------------------------------ */

function tabs(many) {
	return el('nav', {class: 'tabs', 'aria-label': 'How many'},
	          el('a', {href: '#/send', 'aria-current': !many && 'page'}, 'One mail'), el('a', {href: '#/send/many', 'aria-current': many && 'page'}, 'Many mails'));
}

export function sendPage(main, [what]) {
	const many = what === 'many';
	const watching = watchList();

	main.append(heading('Send', 'Mail that is sent from here goes the way of all mail, and is real.'), tabs(many));
	if (may('send'))
		main.append(many ? manyForm() : oneForm());
	else
		main.append(empty('This key may only look.', 'To send, sign in with a key that has the scope send or admin.'));
	main.append(watching.node);
	return watching.end;
}
