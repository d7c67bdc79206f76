/* pill.js - a state in one word, with its colour; the word alone says it all. */

import {el, setClass, setText} from './dom.js';

const KINDS = {
	sent: 'good', accepted: 'good', healthy: 'good', 'breaker closed': 'good', alive: 'good', running: 'good',
	failed: 'bad', rejected: 'bad', unhealthy: 'bad', 'breaker open': 'bad', gone: 'bad', 'connection lost': 'bad', provider_down: 'bad', expired: 'bad',
	held: 'warn', unknown: 'warn', degraded: 'warn', 'breaker half-open': 'warn', paused: 'warn', throttled: 'warn', retry: 'warn',
	retrying: 'warn', cancelled: 'plain', queued: 'info', scheduled: 'info', sending: 'info',
};

export function pill(word) {
	const node = el('span', {class: 'pill'});

	setPill(node, word);
	return node;
}

export function setPill(node, word) {
	setClass(node, `pill ${KINDS[word] ?? 'plain'}`);
	setText(node, (word ?? '–').replaceAll('_', ' '));
}
