/* signin.js - asks for a key where keys are configured. */

import {el, setText, show} from './dom.js';
import {field} from './page.js';
import {mustSignIn, signIn} from './session.js';

/* done is called when somebody has signed in who may look. */
export function signInPage(main, done) {
	const key = el('input', {type: 'password', required: true, autocomplete: 'current-password', spellcheck: 'false'});
	const fault = el('p', {class: 'fault', role: 'alert', hidden: true}), button = el('button', {type: 'submit', class: 'primary'}, 'Sign in');
	const form = el('form', {class: 'form'}, field('API key', key, 'A key with the scope read looks; one with admin also acts. A JSON Web Token will do, too.'), fault, el('div', {class: 'actions'}, button));

	form.addEventListener('submit', async (e) => {
		e.preventDefault();
		show(fault, false);
		button.disabled = true;
		try {
			await signIn(key.value);
			if (mustSignIn())
				throw new Error('This key may send, but not look: sign in with a key that has the scope read or admin.');
			done();
			return;
		} catch (refused) {
			setText(fault, refused.status === 429 ? `Too many tries. Try again in ${refused.retryAfter || 60} s.` : refused.message);
			show(fault, true);
			key.select();
		} finally {
			button.disabled = false;
		}
	});
	main.append(el('section', {class: 'card signin'}, el('img', {src: '/web/logo.svg', alt: '', width: '40', height: '40'}), el('h1', {id: 'title', tabindex: '-1'}, 'Sign in to Postrider'), form));
	key.focus();
}
