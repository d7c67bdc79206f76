/* With keys configured: nobody looks without one; who may only look changes nothing; a session is out of reach of other
 * pages, and ends. */
'use strict';

const {open, go, inspect, sees, noticed, run, assert, URL} = require('./browser.js');

const KEYS = Object.fromEntries(process.env.KEYS.split(',').map((k) => k.split('=')));
const ASK = {pause: ['/api/queues/pause', {queue: 'mail:queue'}], send: ['/api/email/send', {to: 'ada@example.com', subject: 'x', text: 'x', idempotencyKey: 'k'}]};

async function signIn(page, key) {
	await page.getByLabel('API key').fill(key);
	await page.getByRole('button', {name: 'Sign in'}).click();
}

/* What the API answers to the page itself. */
const ask = (page, [path, body], headers = {'X-Postrider': 'test'}) => page.evaluate(async ([p, b, h]) =>
	(await fetch(p, {method: 'POST', headers: {'Content-Type': 'application/json', ...h}, body: JSON.stringify(b)})).status, [path, body, headers]);

run(async () => {
	const page = await open('light');

	await go(page, 'overview');
	await sees(page, 'Sign in to Postrider');
	await inspect(page, 'sign-in');
	assert.strictEqual(await page.evaluate(async () => (await fetch('/api/live')).status), 401);
	await signIn(page, 'wrong');
	await sees(page, 'The API key is not valid');
	await inspect(page, 'sign-in-refused');
	await signIn(page, KEYS.sender);
	await sees(page, 'This key may send, but not look');

	/* read */
	await signIn(page, KEYS.reader);
	await sees(page, 'reader, may only look');
	await page.getByRole('article', {name: 'Provider primary'}).waitFor();
	assert.strictEqual(await page.locator('main button').count(), 0);
	await inspect(page, 'overview-reader');
	await go(page, 'send');
	await sees(page, 'This key may only look.');
	await inspect(page, 'send-reader');
	await go(page, 'dead');
	await page.locator('tbody tr').first().waitFor();
	assert.strictEqual(await page.getByRole('button', {name: 'Retry…'}).count(), 0);
	await go(page, 'mail/dead-0');
	await sees(page, 'Given up.');
	assert.strictEqual(await page.getByRole('button', {name: 'Resend'}).count(), 0);
	assert.strictEqual(await ask(page, ASK.pause), 403);
	assert.strictEqual(await ask(page, ASK.send), 403);

	/* the cookie is none of a script's business, and lives over a reload */
	assert.strictEqual(await page.evaluate(() => document.cookie), '');
	const [cookie] = await page.context().cookies();
	assert.ok(cookie.httpOnly && cookie.sameSite === 'Strict' && cookie.path === '/', JSON.stringify(cookie));
	assert.ok(!cookie.value.includes(KEYS.reader));
	await page.reload();
	await sees(page, 'reader, may only look');

	/* out */
	await page.getByRole('button', {name: 'Sign out'}).click();
	await sees(page, 'Sign in to Postrider');
	assert.deepStrictEqual(await page.context().cookies(), []);

	/* admin, in another window, which the first does not disturb */
	const admin = await open('light');
	await go(admin, 'overview');
	await signIn(admin, KEYS.admin);
	await sees(admin, 'admin, admin');
	await admin.getByRole('button', {name: 'Pause mail:queue', exact: true}).click();
	await admin.getByRole('dialog').getByRole('button', {name: 'Pause'}).click();
	await noticed(admin, 'mail:queue is paused');
	await admin.getByRole('button', {name: 'Resume mail:queue', exact: true}).click();
	await noticed(admin, 'mail:queue is resumed');
	/* without the header, or by a page of another port of this host, which has the same cookies */
	assert.strictEqual(await ask(admin, ASK.pause, {}), 403);
	const other = await admin.context().newPage();
	await other.goto(`${process.env.URL2}/livez`);
	const cross = await other.evaluate(async ([url, body]) => {
		try {
			const answer = await fetch(`${url}/api/queues/pause`, {method: 'POST', credentials: 'include', mode: 'no-cors', headers: {'Content-Type': 'text/plain'}, body});
			return answer.type;
		} catch (e) {
			return 'refused';
		}
	}, [URL, '{"queue":"mail:queue"}']);
	assert.ok(['opaque', 'refused'].includes(cross), cross);
	assert.strictEqual(await admin.evaluate(async () => (await (await fetch('/api/email/queue/status')).json()).queues[0].paused), false);

	/* the session ends elsewhere: the page asks again */
	await admin.context().clearCookies();
	await go(admin, 'fleet');
	await sees(admin, 'Sign in to Postrider');

	/* nobody tries keys for long */
	for (let i = 0; i < 12; i++)
		await ask(page, ['/api/session', {key: `wrong-${i}`}]);
	await signIn(page, KEYS.admin);
	await sees(page, 'Too many tries.');
	await inspect(page, 'sign-in-too-many');
});
