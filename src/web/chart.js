/* chart.js - mails a second by outcome, over the last minutes, as lines in an SVG. What it shows is also said in
 * words, in its label and in a table for those who do not see it. */

import {el, setText, svg} from './dom.js';
import {count, duration, rate} from './format.js';
import {rateNow, rates} from './window.js';

const SPANS_MS = [60000, 120000, 300000]; /* the least that shows all that is known */
const STEP_MS = 2000;
export const SMOOTH_MS = 4000;
const HEIGHT = 220, TOP = 12, BOTTOM = 26, LEFT = 44, RIGHT = 12;

export const SERIES = [
	{name: 'sent', title: 'Sent'},
	{name: 'retried', title: 'Retried'},
	{name: 'failed', title: 'Failed'},
	{name: 'held', title: 'Held'},
];

/* The least round number that is not less, so that the scale seldom moves. */
function ceiling(n) {
	const power = 10 ** Math.floor(Math.log10(Math.max(n, 1)));

	return [1, 2, 3, 4, 6, 8, 10].map((m) => m * power).find((top) => top >= n);
}

function path(points, close) {
	let d = '', open = false, first = 0;

	points.forEach(([x, y], i) => {
		if (y === null) {
			open = false;
			return;
		}
		if (!open)
			first = x;
		d += `${open ? 'L' : 'M'}${x.toFixed(1)} ${y.toFixed(1)}`;
		open = true;
		if (close !== undefined && (i === points.length - 1 || points[i + 1][1] === null))
			d += `L${x.toFixed(1)} ${close}L${first.toFixed(1)} ${close}Z`;
	});
	return d;
}

function legend() {
	const values = {};
	const node = el('ul', {class: 'legend'}, SERIES.map(({name, title}) => {
		values[name] = el('strong');
		return el('li', {class: `series-${name}`}, el('span', {class: 'swatch', 'aria-hidden': 'true'}), title, ' ', values[name]);
	}));

	return {node, values};
}

/* Sums of the last minutes. */
function minutes() {
	const body = el('tbody');
	const node = el('details', {class: 'more'}, el('summary', null, 'The same as a table'),
	                el('table', {class: 'table compact'}, el('caption', {class: 'sr-only'}, 'Mails by outcome and minute'),
	                   el('thead', null, el('tr', null, el('th', {scope: 'col'}, 'Minute'), SERIES.map((s) => el('th', {scope: 'col', class: 'num'}, s.title)))),
	                   body));

	return {node, body};
}

function fillMinutes(body, samples) {
	const rows = [];
	const last = samples.at(-1);

	for (let m = 0; m < 5 && last; m++) {
		const to = samples.findLast((s) => s.at <= last.at - m * 60000), from = samples.findLast((s) => s.at <= last.at - (m + 1) * 60000) ?? samples[0];

		if (!to || to === from)
			break;
		rows.push(el('tr', null, el('th', {scope: 'row'}, m === 0 ? 'the last' : `${m} min before`),
		             SERIES.map((s) => el('td', {class: 'num'}, count(Math.max(0, to[s.name] - from[s.name]))))));
	}
	body.replaceChildren(...rows);
}

export function chart() {
	const lines = Object.fromEntries(SERIES.map((s) => [s.name, svg('path', {class: `line series-${s.name}`})]));
	const area = svg('path', {class: 'area series-sent'});
	const grid = svg('g', {class: 'grid'});
	const cursor = svg('line', {class: 'cursor', y1: TOP, y2: HEIGHT - BOTTOM, visibility: 'hidden'});
	const picture = svg('svg', {class: 'chart', role: 'img', height: HEIGHT}, grid, area, SERIES.toReversed().map((s) => lines[s.name]), cursor);
	const keys = legend(), table = minutes(), hint = el('p', {class: 'chart-hint', 'aria-hidden': 'true'});
	const node = el('div', {class: 'chart-box'}, keys.node, picture, hint, table.node);
	let width = 600, drawn = null;

	function draw({samples, now}) {
		const times = [], known = {};
		const span = SPANS_MS.find((s) => s >= now - (samples[0]?.at ?? now)) ?? SPANS_MS.at(-1);
		const right = width - RIGHT, x = (t) => right - (now - t) / span * (right - LEFT);
		const marks = (width < 480 ? [1, 0.5, 0] : [1, 0.8, 0.6, 0.4, 0.2, 0]).map((part) => part * span);

		for (let t = Math.floor(now / STEP_MS) * STEP_MS; t > now - span; t -= STEP_MS)
			times.unshift(t);
		for (const s of SERIES)
			known[s.name] = rates(samples, s.name, times, SMOOTH_MS).map((r, i) => times[i] < (samples[0]?.at ?? Infinity) ? null : r);
		const top = ceiling(Math.max(1, ...Object.values(known).flat().map((r) => r ?? 0)));
		const y = (r) => r === null ? null : HEIGHT - BOTTOM - r / top * (HEIGHT - BOTTOM - TOP);

		picture.setAttribute('viewBox', `0 0 ${width} ${HEIGHT}`);
		picture.setAttribute('width', width);
		grid.replaceChildren(...[0, top / 2, top].flatMap((r) => [
			svg('line', {x1: LEFT, x2: right, y1: y(r), y2: y(r)}),
			svg('text', {x: LEFT - 8, y: y(r) + 4, 'text-anchor': 'end'}, rate(r))]),
		...marks.map((m) =>
			svg('text', {x: x(now - m), y: HEIGHT - 8, 'text-anchor': m === 0 ? 'end' : m === span ? 'start' : 'middle'}, m === 0 ? 'now' : `−${duration(m)}`)));
		for (const s of SERIES)
			lines[s.name].setAttribute('d', path(times.map((t, i) => [x(t), y(known[s.name][i])])));
		area.setAttribute('d', path(times.map((t, i) => [x(t), y(known.sent[i])]), HEIGHT - BOTTOM));
		drawn = {times, known, x, samples, now};
	}

	picture.addEventListener('pointermove', (e) => {
		if (!drawn)
			return;
		const at = e.clientX - picture.getBoundingClientRect().left;
		const i = drawn.times.reduce((best, t, k) => Math.abs(drawn.x(t) - at) < Math.abs(drawn.x(drawn.times[best]) - at) ? k : best, 0);

		cursor.setAttribute('x1', drawn.x(drawn.times[i]));
		cursor.setAttribute('x2', drawn.x(drawn.times[i]));
		cursor.setAttribute('visibility', 'visible');
		setText(hint, `${new Date(drawn.times[i]).toLocaleTimeString()}: ${SERIES.map((s) => `${s.name} ${drawn.known[s.name][i] === null ? '–' : rate(drawn.known[s.name][i])}/s`).join(', ')}`);
	});
	picture.addEventListener('pointerleave', () => {
		cursor.setAttribute('visibility', 'hidden');
		setText(hint, '');
	});
	const observer = new ResizeObserver(() => {
		width = Math.max(240, Math.floor(node.clientWidth));
		if (drawn)
			draw(drawn);
	});
	observer.observe(node);

	return {
		node,
		update(samples, now) {
			draw({samples, now});
			for (const s of SERIES)
				setText(keys.values[s.name], `${rate(rateNow(samples, s.name, SMOOTH_MS) ?? 0)}/s`);
			picture.setAttribute('aria-label', `Mails a second over the last minutes. Now: ${SERIES.map((s) => `${s.name} ${keys.values[s.name].textContent}`).join(', ')}.`);
			if (table.node.open)
				fillMinutes(table.body, samples);
		},
		end: () => observer.disconnect(),
	};
}
