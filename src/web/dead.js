/* dead.js - the dead letters: found by error, provider and age, looked at, and the selected tried again or dropped, after
 * it was said what that will do. */

import {confirm} from './dialog.js';
import {clamped, el, setText, show} from './dom.js';
import {bytes, count, plural, when} from './format.js';
import {get, post, withQuery} from './http.js';
import {subscribe} from './live.js';
import {mailAddress, timeline} from './mail.js';
import {attempt, notice} from './notice.js';
import {empty, field, heading, problem, table} from './page.js';
import {pill} from './pill.js';
import {may} from './session.js';

const PATH = '/api/dead-letters';
const PAGE = 50;
const CHUNK = 100; /* names of one request */
const AGES = [['', 'Any age'], ['newerThan=1h', 'Of the last hour'], ['newerThan=1d', 'Of the last day'], ['olderThan=1d', 'Older than a day'], ['olderThan=7d', 'Older than a week']];

/* --- what will it do? ---------------------------------------------------------------------------------------- */

/* Asks for all names, a request's worth at a time. */
async function takeAll(verb, names, dryRun) {
	const sum = {done: [], skipped: [], missing: []};

	for (let i = 0; i < names.length; i += CHUNK) {
		const answer = await post(`${PATH}/${verb}`, {names: names.slice(i, i + CHUNK), dryRun});

		sum.done.push(...(answer.retried ?? answer.dropped));
		sum.skipped.push(...answer.skipped);
		sum.missing.push(...answer.missing);
	}
	return sum;
}

function foretell(verb, plan) {
	const held = plan.done.filter((l) => l.status === 'held').length, reasons = new Map();

	for (const l of plan.skipped)
		reasons.set(l.reason, (reasons.get(l.reason) ?? 0) + 1);
	return [
		el('p', null, verb === 'retry' ? `${plural(plan.done.length, 'mail')} will be tried again from the beginning, at once.` : `The content of ${plural(plan.done.length, 'mail')} will be thrown away, for good. The statuses stay, so that the keys are not sent again.`),
		verb === 'retry' && held > 0 && el('p', {class: 'warning'}, `Of ${held === 1 ? 'one of them' : `${count(held)} of them`} nobody knows whether it was delivered: a second copy may arrive, with the same Message-ID.`),
		reasons.size > 0 && el('ul', null, [...reasons].map(([reason, n]) => el('li', null, `${count(n)} left alone: ${reason}`))),
		plan.missing.length > 0 && el('p', null, `${plural(plan.missing.length, 'letter')} no longer there.`),
	];
}

/* Whether anything was done. */
async function take(verb, names) {
	const plan = await takeAll(verb, names, true);
	const title = verb === 'retry' ? `Retry ${plural(names.length, 'dead letter')}?` : `Drop ${plural(names.length, 'dead letter')}?`;

	if (!await confirm({title, body: foretell(verb, plan), danger: verb === 'drop', action: plan.done.length > 0 && (verb === 'retry' ? `Retry ${count(plan.done.length)}` : `Drop ${count(plan.done.length)}`)}))
		return false;
	const done = await takeAll(verb, plan.done.map((l) => l.id), false);
	notice(`${plural(done.done.length, 'mail')} ${verb === 'retry' ? 'will be tried again' : 'dropped'}${done.skipped.length > 0 ? `, ${count(done.skipped.length)} left alone` : ''}.`);
	return true;
}

/* --- one ----------------------------------------------------------------------------------------------------- */

function pretty(payload) {
	try {
		return JSON.stringify(JSON.parse(payload), null, 2);
	} catch {
		return payload;
	}
}

function onePage(main, id) {
	const place = el('div', {class: 'stack'});

	function draw(letter) {
		const steps = timeline(), buttons = el('div', {class: 'actions'});

		for (const [verb, title, kind] of [['retry', 'Retry…', 'primary'], ['drop', 'Drop…', 'danger']]) {
			const button = el('button', {type: 'button', class: kind}, title);

			button.addEventListener('click', () => attempt(button, async () => {
				if (await take(verb, [letter.id]))
					location.hash = '#/dead';
			}));
			buttons.append(button);
		}
		const mail = letter.mail;
		const pairs = [['Error', letter.error], ['Key', letter.idempotencyKey], ['Id', letter.id], ['Queue', letter.queue], ['To', mail?.to], ['Subject', mail?.subject], ['Dead since', when(letter.deadAt)], ['Payload', bytes(letter.payloadBytes)]];

		place.replaceChildren(
			el('div', {class: 'halves mail'},
			   el('section', {class: 'card'}, el('div', {class: 'card-head'}, el('h2', null, 'Why it is here'), mail && pill(mail.status)),
			      el('dl', {class: 'pairs'}, pairs.filter(([, v]) => v).map(([t, v]) => el('div', {class: 'pair'}, el('dt', null, t), el('dd', null, v)))),
			      may('admin') && buttons),
			   el('section', {class: 'card'}, el('h2', null, 'Timeline'), mail ? steps.node : empty('Its status has run out.'))),
			el('section', {class: 'card'}, el('h2', null, 'Payload'), el('p', {class: 'hint'}, letter.payloadExact ? 'As it was pushed, laid out.' : 'It has bytes that cannot be shown here, or is too large: postrider dead show --payload prints it.'),
			   letter.payload !== null && el('pre', {class: 'payload', tabindex: '0', role: 'region', 'aria-label': 'Payload'}, pretty(letter.payload))));
		if (mail)
			steps.update(mail);
	}

	main.append(heading('Dead letter', null, el('a', {class: 'button', href: '#/dead'}, 'All dead letters')), place);
	get(`${PATH}/${encodeURIComponent(id)}`).then(draw, (e) => {
		place.replaceChildren(e.status === 404 ? empty('There is no such dead letter.', 'It was retried or dropped meanwhile, or has been kept for DEAD_TTL.') : problem(e));
	});
}

/* --- the list ------------------------------------------------------------------------------------------------ */

const COLUMNS = [['Select', 'pick'], ['Key', ''], ['Error', 'wide'], ['Status', ''], ['Provider', ''], ['Tries', 'num'], ['Dead since', '']];

function filters() {
	const error = el('input', {type: 'search', autocomplete: 'off', placeholder: '550, mailbox full …'});
	const provider = el('select', null, el('option', {value: ''}, 'Any provider'));
	const queue = el('select', null, el('option', {value: ''}, 'Any queue'));
	const age = el('select', null, AGES.map(([value, title]) => el('option', {value}, title)));
	const node = el('form', {class: 'card filters', role: 'search', 'aria-label': 'Filter the dead letters'}, field('Error has', error), field('Provider', provider), field('Queue', queue), field('Age', age), el('button', {type: 'submit'}, 'Show'));

	/* those that are known may come later than the page */
	function offer(select, names) {
		for (const name of names)
			if (![...select.options].some((o) => o.value === name))
				select.append(el('option', {value: name}, name));
	}

	const end = subscribe(({fleet}) => {
		offer(provider, (fleet?.providers ?? []).map((p) => p.stats.name));
		offer(queue, (fleet?.queues ?? []).map((q) => q.name));
	});

	return {node, end, selects: [provider, queue, age], query: () => ({error: error.value.trim(), provider: provider.value, queue: queue.value, ...Object.fromEntries(new URLSearchParams(age.value))})};
}

function row(t, letter, picked, changed) {
	const name = letter.idempotencyKey ?? letter.id;
	const box = el('input', {type: 'checkbox', checked: picked.has(letter.id), 'aria-label': `Select ${name}`});

	box.addEventListener('change', () => {
		if (box.checked)
			picked.add(letter.id);
		else
			picked.delete(letter.id);
		changed();
	});
	return el('tr', null, t.cell(0, box), el('th', {scope: 'row', 'data-label': 'Key'}, el('a', {href: `#/dead/${encodeURIComponent(letter.id)}`}, clamped(name))),
	          t.cell(2, clamped(letter.error ?? 'its status has run out')), t.cell(3, letter.mail ? pill(letter.mail.status) : '–'), t.cell(4, clamped(letter.mail?.provider ?? '–')),
	          t.cell(5, count(letter.mail?.attempts ?? NaN)), t.cell(6, when(letter.deadAt)));
}

/* The buttons above the list. */
function toolbar() {
	const words = el('p', {class: 'picked', role: 'status'}), all = el('button', {type: 'button'}, 'Select all that match');
	const retry = el('button', {type: 'button', class: 'primary'}, 'Retry…'), drop = el('button', {type: 'button', class: 'danger'}, 'Drop…');

	return {node: el('div', {class: 'toolbar'}, words, el('div', {class: 'actions'}, all, retry, drop)), words, all, retry, drop};
}

function listPage(main) {
	const form = filters(), bar = toolbar(), picked = new Set();
	const head = el('input', {type: 'checkbox', 'aria-label': 'Select all that are shown'});
	const t = table('Dead letters', COLUMNS.map((c, i) => i === 0 ? [...c, head] : c));
	const more = el('button', {type: 'button', hidden: true}, 'Show more'), place = el('div', {class: 'place', 'aria-live': 'polite'});
	const card = el('section', {class: 'card', hidden: true}, may('admin') && bar.node, t.node, el('div', {class: 'actions center'}, more));
	let shown = [], next = null, asked = 0;

	function changed() {
		setText(bar.words, picked.size > 0 ? `${count(picked.size)} selected` : 'None selected');
		bar.retry.disabled = bar.drop.disabled = picked.size === 0;
		head.checked = shown.length > 0 && shown.every((l) => picked.has(l.id));
		head.indeterminate = !head.checked && shown.some((l) => picked.has(l.id));
	}

	/* A request looks at a bounded number of letters, and may find none of them. */
	async function page(after) {
		let answer = {letters: [], next: after};

		do
			answer = await get(withQuery(PATH, {...form.query(), limit: PAGE, after: answer.next}));
		while (answer.letters.length === 0 && answer.next !== null);
		return answer;
	}

	async function load(again) {
		const ask = ++asked;
		const answer = await page(again ? null : next);

		if (ask !== asked)
			return;
		if (again) {
			shown = [];
			picked.clear();
			t.body.replaceChildren();
		}
		shown.push(...answer.letters);
		({next} = answer);
		t.body.append(...answer.letters.map((l) => row(t, l, picked, changed)));
		show(more, next !== null);
		show(card, shown.length > 0);
		const filtered = Object.values(form.query()).some((v) => v !== '');
		place.replaceChildren(...(shown.length > 0 ? [] : [filtered ? empty('No dead letter matches.', 'Try fewer filters.') : empty('No dead letters.', 'Mail that cannot be delivered, or of which nobody knows whether it was, is kept here with the reason.')]));
		changed();
	}

	async function reload() {
		try {
			await load(true);
		} catch (e) {
			show(card, false);
			place.replaceChildren(problem(e));
		}
	}

	function pickShown(yes) {
		for (const box of t.body.querySelectorAll('input[type=checkbox]'))
			box.checked = yes;
		for (const l of shown)
			if (yes)
				picked.add(l.id);
			else
				picked.delete(l.id);
		changed();
	}

	async function pickAll() {
		pickShown(true);
		for (let after = next; after !== null;) {
			const answer = await page(after);

			for (const l of answer.letters)
				picked.add(l.id);
			after = answer.next;
			changed();
		}
	}

	for (const [button, verb] of [[bar.retry, 'retry'], [bar.drop, 'drop']])
		button.addEventListener('click', () => attempt(button, async () => {
			if (await take(verb, [...picked]))
				await reload();
		}));
	bar.all.addEventListener('click', () => attempt(bar.all, pickAll));
	head.addEventListener('change', () => pickShown(head.checked));
	more.addEventListener('click', () => attempt(more, () => load(false)));
	form.node.addEventListener('submit', (e) => {
		e.preventDefault();
		reload();
	});
	for (const select of form.selects)
		select.addEventListener('change', reload);
	main.append(heading('Dead letters', 'Mail that could not be delivered, or of which nobody knows whether it was.'), form.node, place, card);
	reload();
	return form.end;
}

export function deadPage(main, [id]) {
	return id ? onePage(main, id) : listPage(main);
}
