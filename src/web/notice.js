/* notice.js - what was done, or why not: said once at the foot of the page, and to screen readers. */

import {el} from './dom.js';

const LIFE_MS = 6000;

export function notice(text, kind = 'ok') {
	const list = document.getElementById('notices');
	const node = el('div', {class: `notice ${kind}`},
	                el('span', null, text),
	                el('button', {class: 'plain', type: 'button', 'aria-label': 'Dismiss', on: {click: () => node.remove()}}, '×'));

	list.append(node);
	while (list.children.length > 3)
		list.firstElementChild.remove();
	/* an error stays until it is dismissed */
	if (kind === 'ok')
		setTimeout(() => node.remove(), LIFE_MS);
}

/* Runs what a button does: once at a time, and says so when it is refused. */
export async function attempt(button, fn) {
	if (button.getAttribute('aria-disabled') === 'true')
		return undefined;
	button.setAttribute('aria-disabled', 'true');
	try {
		return await fn();
	} catch (e) {
		notice([e.message, ...(e.details ?? [])].filter((t, i, all) => all.indexOf(t) === i).join('. '), 'bad');
		return undefined;
	} finally {
		button.removeAttribute('aria-disabled');
	}
}
