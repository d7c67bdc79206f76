/* queue.js - the queues as a table, each with its switch. */

import {confirm} from './dialog.js';
import {el, keyedList, setText, show} from './dom.js';
import {count, duration} from './format.js';
import {post} from './http.js';
import {attempt, notice} from './notice.js';
import {table} from './page.js';
import {setPill} from './pill.js';
import {may} from './session.js';

const COLUMNS = [['Queue', ''], ['State', ''], ['Waiting', 'num'], ['Oldest', 'num'], ['In flight', 'num'], ['Delayed', 'num'], ['Dead', 'num'], ['Action', 'act']];

function pauseButton(name) {
	const button = el('button', {type: 'button', class: 'small'});
	let paused = false;

	button.addEventListener('click', () => attempt(button, async () => {
		if (!paused && !await confirm({title: `Pause ${name}?`, action: 'Pause', body: el('p', null, 'What is in flight is finished. Mail that is pushed to it waits until somebody resumes it.')}))
			return;
		await post(`/api/queues/${paused ? 'resume' : 'pause'}`, {queue: name});
		notice(`${name} is ${paused ? 'resumed' : 'paused'} for the whole fleet.`);
	}));
	return {button, update(now) {
		paused = now;
		setText(button, paused ? 'Resume' : 'Pause');
		button.setAttribute('aria-label', `${paused ? 'Resume' : 'Pause'} ${name}`);
	}};
}

function row(t, {name}) {
	const pillNode = el('span', {class: 'pill'}), pause = may('admin') ? pauseButton(name) : null;
	const figures = ['depth', 'oldestMs', 'inFlight', 'delayed', 'dead'].map((key, i) => ({key, node: t.cell(2 + i)}));
	const note = el('span', {class: 'cell-note'});
	const node = el('tr', null, el('th', {scope: 'row', 'data-label': 'Queue'}, el('span', null, el('code', null, name), note)), t.cell(1, pillNode),
	                figures.map((f) => f.node), pause && t.cell(7, pause.button));

	return {node, update(q) {
		setPill(pillNode, q.error ? 'failed' : q.paused ? 'paused' : 'running');
		setText(note, q.error ?? '');
		show(note, Boolean(q.error));
		for (const f of figures)
			setText(f.node, f.key === 'oldestMs' ? duration(q.oldestMs ?? NaN) : count(q[f.key]));
		pause?.update(q.paused);
	}};
}

export function queueTable() {
	const t = table('Queues', may('admin') ? COLUMNS : COLUMNS.slice(0, -1));

	return {node: t.node, update: keyedList(t.body, (q) => q.name, (q) => row(t, q))};
}
