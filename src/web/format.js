/* format.js - figures, durations and times as people read them, with their units. */

import {el, setText} from './dom.js';

const integer = new Intl.NumberFormat('en', {maximumFractionDigits: 0});
const tenth = new Intl.NumberFormat('en', {maximumFractionDigits: 1});
const UNKNOWN = '–';

export function count(n) {
	return Number.isFinite(n) ? integer.format(n) : UNKNOWN;
}

/* 1 mail, 2 mails */
export function plural(n, one, many) {
	return `${count(n)} ${n === 1 ? one : many ?? `${one}s`}`;
}

export function rate(n) {
	if (!Number.isFinite(n))
		return UNKNOWN;
	return n < 100 ? tenth.format(n) : integer.format(n);
}

export function percent(x) {
	if (!Number.isFinite(x))
		return UNKNOWN;
	return `${x >= 0.9995 ? 100 : tenth.format(Math.floor(x * 1000) / 10)} %`;
}

/* 320 ms, 4.2 s, 3 min 20 s, 2 h 5 min, 3 d 4 h */
export function duration(ms) {
	if (!Number.isFinite(ms))
		return UNKNOWN;
	if (ms < 1000)
		return `${Math.round(ms)} ms`;
	if (ms < 10000)
		return `${tenth.format(ms / 1000)} s`;
	return whole(Math.round(ms / 1000));
}

function whole(seconds) {
	const steps = [[86400, 'd', 3600, 'h'], [3600, 'h', 60, 'min'], [60, 'min', 1, 's']];

	for (const [large, name, small, small_name] of steps) {
		const n = Math.floor(seconds / large);
		const rest = Math.floor((seconds % large) / small);

		if (n > 0)
			return rest > 0 && n < 100 ? `${n} ${name} ${rest} ${small_name}` : `${n} ${name}`;
	}
	return `${seconds} s`;
}

export function bytes(n) {
	if (!Number.isFinite(n))
		return UNKNOWN;
	if (n < 1024)
		return plural(n, 'byte');
	if (n < 1024 * 1024)
		return `${tenth.format(n / 1024)} KB`;
	return `${tenth.format(n / 1024 / 1024)} MB`;
}

/* The clock that wrote the times that are shown may not be that of whoever looks. */
let skew = 0;

export function setNow(at) {
	skew = at - Date.now();
}

function relative(at) {
	const ms = Date.now() + skew - at;

	if (Math.abs(ms) < 2000)
		return 'now';
	return ms > 0 ? `${whole(Math.round(ms / 1000))} ago` : `in ${whole(Math.round(-ms / 1000))}`;
}

function exact(at) {
	return new Date(at).toLocaleString(undefined, {dateStyle: 'medium', timeStyle: 'long'});
}

/* A point in time, relative, the exact one in its title; it goes on by itself. at: a date's text or ms; null is unknown. */
export function when(at) {
	const node = el('time');

	setWhen(node, at);
	return node;
}

export function setWhen(node, at) {
	const ms = typeof at === 'string' ? Date.parse(at) : at;

	if (!Number.isFinite(ms) || ms === null) {
		node.removeAttribute('datetime');
		setText(node, UNKNOWN);
		return;
	}
	const iso = new Date(ms).toISOString();
	if (node.getAttribute('datetime') !== iso) {
		node.setAttribute('datetime', iso);
		node.title = exact(ms);
	}
	setText(node, relative(ms));
}

setInterval(() => {
	for (const node of document.querySelectorAll('time[datetime]'))
		setText(node, relative(Date.parse(node.dateTime)));
}, 1000);
