/* dialog.js - a question before something is done. The browser's own dialog: it holds the focus, Escape is "no". */

import {el} from './dom.js';

/* confirm({title, body: [elements], action: 'Drop', danger: true}) → whether it was confirmed. action null: nothing can
 * be done, only closed. */
export function confirm({title, body, action, danger}) {
	return new Promise((resolve) => {
		const yes = action && el('button', {class: danger ? 'danger' : 'primary', type: 'submit', value: 'yes'}, action);
		const no = el('button', {type: 'submit', value: 'no'}, action ? 'Cancel' : 'Close');
		const node = el('dialog', {class: 'dialog', 'aria-labelledby': 'dialog-title'},
		                el('form', {method: 'dialog'},
		                   el('h2', {id: 'dialog-title'}, title),
		                   el('div', {class: 'dialog-body'}, body),
		                   el('div', {class: 'actions end'}, no, yes)));

		node.addEventListener('close', () => {
			node.remove();
			resolve(node.returnValue === 'yes');
		});
		document.body.append(node);
		node.showModal();
		no.focus();
	});
}
