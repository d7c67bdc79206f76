/* batch.js - many mails out of what was pasted: a JSON array, an object with "emails", JSON objects one a line, or CSV with
 * a first line of names. Each becomes the body of a post; what is missing is said with the place where it is missing. */

import {rows} from './csv.js';

const LISTS = ['to', 'cc', 'bcc', 'tags'];
const NUMBERS = ['priority', 'delay', 'maxAttempts'];

/* A key that nobody has used: a mail without one would be sent twice when it is posted twice. */
export function newKey() {
	const bytes = crypto.getRandomValues(new Uint8Array(9));

	return `web-${[...bytes].map((b) => b.toString(36).padStart(2, '0')).join('')}`;
}

function fromCsv(text) {
	const [head, ...rest] = rows(text);
	const names = (head?.cells ?? []).map((n) => n.trim());

	if (!names.includes('to') || !names.includes('subject'))
		throw new Error('The first line of CSV must name the columns, among them to and subject');
	return rest.map(({cells, line}) => {
		const mail = {};

		names.forEach((name, i) => {
			const value = (cells[i] ?? '').trim();

			if (value === '' || name === '')
				return;
			if (LISTS.includes(name) && value.includes(';'))
				mail[name] = value.split(';').map((v) => v.trim()).filter((v) => v !== '');
			else
				mail[name] = NUMBERS.includes(name) ? Number(value) : value;
		});
		return {mail, place: `line ${line}`};
	});
}

function fromJson(text) {
	let tree;

	try {
		tree = JSON.parse(text);
	} catch (e) {
		const lines = text.split('\n').map((l, i) => [l.trim(), i + 1]).filter(([l]) => l !== '');

		if (!lines.every(([l]) => l.startsWith('{')) || lines.length < 2)
			throw new Error(`This is no JSON: ${e.message}`);
		return lines.map(([l, number]) => {
			try {
				return {mail: JSON.parse(l), place: `line ${number}`};
			} catch (fault) {
				throw new Error(`Line ${number} is no JSON: ${fault.message}`);
			}
		});
	}
	const list = Array.isArray(tree) ? tree : Array.isArray(tree.emails) ? tree.emails : [tree];

	return list.map((mail, i) => ({mail, place: `mail ${i + 1}`}));
}

function faultsOf(mail) {
	if (mail === null || typeof mail !== 'object' || Array.isArray(mail))
		return ['is no object'];
	return [
		!(mail.to ?? mail.cc ?? mail.bcc) && 'no recipient (to)',
		typeof mail.subject !== 'string' && 'no subject',
		!(mail.body ?? mail.text ?? mail.html) && 'no text (body, text or html)',
	].filter(Boolean);
}

/* {mails: [body, …], faults: ['line 3: no subject', …]}. Throws when nothing can be made of it. */
export function read(text) {
	const trimmed = text.trim();
	const list = /^[[{]/.test(trimmed) ? fromJson(trimmed) : fromCsv(trimmed);
	const mails = [], faults = [], keys = new Set();

	for (const {mail, place} of list) {
		const wrong = faultsOf(mail);

		if (wrong.length === 0) {
			const key = mail.idempotencyKey ?? newKey();

			if (keys.has(key))
				wrong.push(`its key ${key} is there twice`);
			else
				mails.push({...mail, idempotencyKey: key});
			keys.add(key);
		}
		if (wrong.length > 0)
			faults.push(`${place}: ${wrong.join(', ')}`);
	}
	return {mails, faults};
}
