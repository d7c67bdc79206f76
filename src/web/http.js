/* http.js - the API, asked by fetch. Every write says by a header that it comes from these pages: no other page can. */

/* What the API has refused, or what kept it from answering; status 0: it could not be reached. */
export class Refusal extends Error {
	constructor(status, message, details, retryAfter) {
		super(message);
		this.status = status;
		this.details = details ?? [];
		this.retryAfter = retryAfter;
	}
}

let signedOut = () => {};

/* fn is called when the API asks who we are. */
export function onSignedOut(fn) {
	signedOut = fn;
}

async function refusal(answer) {
	let problem = {};

	try {
		problem = await answer.json();
	} catch {
		/* not one of ours: a proxy's */
	}
	return new Refusal(answer.status, problem.message ?? `The server answered ${answer.status}`, problem.details,
	                   Number(answer.headers.get('Retry-After')) || 0);
}

async function call(method, path, body, quiet) {
	const options = {method, headers: {Accept: 'application/json'}, cache: 'no-store', credentials: 'same-origin'};
	let answer;

	if (method !== 'GET') {
		options.headers['X-Postrider'] = 'dashboard';
		options.headers['Content-Type'] = 'application/json';
		options.body = JSON.stringify(body ?? {});
	}
	try {
		answer = await fetch(path, options);
	} catch {
		throw new Refusal(0, 'The API cannot be reached. Is it running?');
	}
	if (answer.status === 401 && !quiet)
		signedOut();
	if (!answer.ok)
		throw await refusal(answer);
	return answer.status === 204 ? {} : answer.json();
}

export const get = (path) => call('GET', path);
export const post = (path, body) => call('POST', path, body);
export const remove = (path) => call('DELETE', path);
/* A 401 is an answer, and does not lead to the sign-in page. */
export const postQuietly = (path, body) => call('POST', path, body, true);

/* '/api/x', {a: 1, b: ''} → '/api/x?a=1' */
export function withQuery(path, query) {
	const parameters = new URLSearchParams();

	for (const [name, value] of Object.entries(query))
		if (value !== '' && value !== null && value !== undefined)
			parameters.set(name, value);
	return parameters.size > 0 ? `${path}?${parameters}` : path;
}
