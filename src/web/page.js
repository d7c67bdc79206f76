/* page.js - what all pages begin with and say alike. A page is a function (main, rest of the address) → what it leaves
 * behind, a function that ends it, or nothing. */

import {el} from './dom.js';

export function heading(title, lead, ...more) {
	return el('div', {class: 'page-head'},
	          el('div', null, el('h1', {id: 'title', tabindex: '-1'}, title), lead && el('p', {class: 'lead'}, lead)),
	          more.length > 0 && el('div', {class: 'actions'}, more));
}

/* Nothing is there: what that means, and what to do. */
export function empty(title, ...what) {
	return el('div', {class: 'empty'}, el('p', {class: 'empty-title'}, title), what.map((w) => el('p', null, w)));
}

export function problem(e) {
	const what = {
		0: 'The page goes on by itself as soon as the API is back.',
		401: 'Sign in again.',
		403: 'This needs a key that may do it: ask for an admin key.',
		429: `Too many requests: try again in ${e.retryAfter || 60} s.`,
		503: 'Is Redis running, and reachable from the API? What was accepted is not lost, and goes on when it is back.',
	}[e.status];

	return el('div', {class: 'banner bad', role: 'alert'}, el('p', {class: 'banner-title'}, e.message), what && el('p', null, what));
}

export function field(label, input, hint) {
	const id = `f-${label.toLowerCase().replace(/[^a-z]+/g, '-')}`;

	input.id = id;
	if (hint)
		input.setAttribute('aria-describedby', `${id}-hint`);
	return el('div', {class: 'field'}, el('label', {for: id}, label), input,
	          hint && el('p', {class: 'hint', id: `${id}-hint`}, hint));
}

/* A table whose head is a list of [title, class]. On a phone each row becomes a card with these titles. */
export function table(caption, columns) {
	const body = el('tbody');
	const node = el('table', {class: 'table'}, el('caption', {class: 'sr-only'}, caption),
	                el('thead', null, el('tr', null, columns.map(([title, kind, head]) =>
		                el('th', {scope: 'col', class: kind}, head ?? title)))),
	                body);

	return {node, body, cell: (i, ...content) => el('td', {class: columns[i][1], 'data-label': columns[i][0]}, content.length > 1 ? el('span', null, content) : content)};
}
