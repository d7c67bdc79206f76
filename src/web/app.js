/* app.js - begins: asks who looks, draws the frame around the pages, and shows the page that the address names. */

import {el, setText} from './dom.js';
import {onSignedOut} from './http.js';
import {icon} from './icon.js';
import * as live from './live.js';
import {attempt} from './notice.js';
import {problem} from './page.js';
import {setPill} from './pill.js';
import {load, may, mustSignIn, session, signOut} from './session.js';
import {deadPage} from './dead.js';
import {fleetPage} from './fleet.js';
import {mailPage} from './mail.js';
import {overviewPage} from './overview.js';
import {sendPage} from './send.js';
import {signInPage} from './signin.js';

const PAGES = [
	{name: 'overview', title: 'Overview', run: overviewPage},
	{name: 'send', title: 'Send', run: sendPage},
	{name: 'mail', title: 'Mail', run: mailPage},
	{name: 'dead', title: 'Dead letters', run: deadPage},
	{name: 'fleet', title: 'Fleet', run: fleetPage},
];

const main = document.getElementById('main');
let end = null;

/* '#/mail/order%2F42' → ['mail', 'order/42'] */
function address() {
	return location.hash.replace(/^#\//, '').split('/').map((part) => {
		try {
			return decodeURIComponent(part);
		} catch {
			return part;
		}
	});
}

function drawPage(focus) {
	const [name, ...rest] = address();
	const page = PAGES.find((p) => p.name === name) ?? PAGES[0];
	const signIn = mustSignIn();

	end?.();
	main.replaceChildren();
	document.title = `${signIn ? 'Sign in' : page.title} · Postrider`;
	document.getElementById('shell').classList.toggle('bare', signIn);
	for (const link of document.querySelectorAll('#nav a'))
		if (!signIn && link.dataset.page === page.name)
			link.setAttribute('aria-current', 'page');
		else
			link.removeAttribute('aria-current');
	end = (signIn ? signInPage(main, begin) : page.run(main, rest)) ?? null;
	if (focus)
		main.querySelector('#title')?.focus({preventScroll: true});
	window.scrollTo(0, 0);
}

function drawNav() {
	document.getElementById('nav').replaceChildren(...PAGES.map((p) =>
		el('a', {href: `#/${p.name}`, data: {page: p.name}}, icon(p.name), el('span', null, p.title))));
}

function themeButton() {
	const word = el('span');
	const tell = (choice) => setText(word, `Theme: ${choice}`);

	tell(window.theme.get());
	return el('button', {class: 'plain', type: 'button', on: {click: () => tell(window.theme.next())}}, icon('theme'), word);
}

function drawFoot() {
	const state = el('span', {class: 'pill'});
	const who = session.name === null ? 'No key is needed here'
	                                  : `${session.name}, ${may('admin') ? 'admin' : may('send') ? 'may send' : 'may only look'}`;
	const leave = session.name !== null && el('button', {class: 'plain', type: 'button', on: {click: (e) => attempt(e.currentTarget, async () => {
		await signOut();
		begin();
	})}}, icon('leave'), el('span', null, 'Sign out'));

	document.getElementById('foot').replaceChildren(
		el('p', {class: 'foot-state'}, state), el('p', {class: 'foot-who'}, who),
		el('div', {class: 'foot-buttons'}, themeButton(), leave), el('p', {class: 'foot-version'}, `Postrider ${session.version}`));
	return live.subscribe((s) => {
		if (s.connection === 'open')
			setPill(state, s.fleet.status);
		else
			setPill(state, s.connection === 'lost' ? 'connection lost' : 'connecting');
	});
}

let unsubscribe = null;

/* After each change of who looks. */
function begin() {
	unsubscribe?.();
	live.stop();
	if (!mustSignIn())
		live.start();
	unsubscribe = drawFoot();
	drawPage(true);
}

async function first() {
	drawNav();
	try {
		await load();
	} catch (e) {
		main.replaceChildren(problem(e));
		setTimeout(first, 2000);
		return;
	}
	onSignedOut(async () => {
		if (mustSignIn())
			return;
		await load();
		begin();
	});
	unsubscribe = drawFoot();
	if (!mustSignIn())
		live.start();
	drawPage(false);
	addEventListener('hashchange', () => drawPage(true));
}

/* The address belongs to the pages, so the skip link is not followed as one. */
document.querySelector('.skip').addEventListener('click', (e) => {
	e.preventDefault();
	main.focus();
});

first();
