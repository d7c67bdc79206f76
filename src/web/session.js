/* session.js - who looks, and what they may: GET, POST and DELETE /api/session. */

import {get, postQuietly, remove} from './http.js';

const EVERYTHING = ['send', 'read', 'admin'];

/* protected: a key is needed at all. name: null when nobody has signed in. */
export const session = {protected: false, name: null, scopes: EVERYTHING, version: ''};

function take(answer) {
	session.protected = answer.protected;
	session.name = answer.name;
	session.scopes = answer.protected ? answer.scopes ?? [] : EVERYTHING;
	session.version = answer.version;
}

export const may = (scope) => session.scopes.includes(scope);
export const mustSignIn = () => session.protected && !may('read');

export async function load() {
	take(await get('/api/session'));
}

export async function signIn(key) {
	take(await postQuietly('/api/session', {key}));
}

export async function signOut() {
	await remove('/api/session');
	await load();
}
