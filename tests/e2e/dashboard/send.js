/* A mail is sent by the form, and many by CSV and JSON; each is watched until it is settled. */
'use strict';

const {open, go, inspect, sees, noticed, run, assert} = require('./browser.js');

run(async () => {
	const page = await open('light');
	const row = (key) => page.locator('#watched tbody tr', {hasText: key});

	await go(page, 'send');
	await page.getByLabel('To').fill('ada@example.com, bob@example.com');
	await page.getByLabel('Subject').fill('By hand');
	await page.getByLabel('Text').fill('Hello');
	await page.getByLabel('Idempotency key').fill('hand-1');
	await page.getByRole('button', {name: 'Send', exact: true}).click();
	await noticed(page, 'Accepted');
	await row('hand-1').getByText('sent', {exact: true}).waitFor();
	await sees(page, 'All 1 settled: 1 sent.');
	assert.match(await page.getByLabel('Idempotency key').inputValue(), /^web-/);
	await inspect(page, 'send-one-sent');

	/* what the API says is wrong is said here */
	await page.getByLabel('To').fill('nobody');
	await page.getByRole('button', {name: 'Send', exact: true}).click();
	await sees(page, 'must be a valid email address');
	await inspect(page, 'send-one-refused');

	/* its page, from the list */
	await row('hand-1').getByRole('link').click();
	await sees(page, 'A provider has taken it.');
	await sees(page, 'Attempt 1');
	assert.strictEqual(await page.locator('.timeline .step').count(), 3);

	await go(page, 'send/many');
	await page.getByLabel('JSON or CSV').fill('to;subject;body;idempotencyKey\nada@example.com;One;"He said ""hi""; twice";csv-1\nbob@example.com;;No subject;csv-2\n"eve@example.com";Two;Lines;csv-3\n');
	await sees(page, '1 mail cannot');
	await sees(page, 'line 3: no subject');
	await inspect(page, 'send-many-read');
	await page.getByRole('button', {name: 'Send 2 mails'}).click();
	await noticed(page, '2 mails accepted.');
	await sees(page, 'All 3 settled: 3 sent.');

	/* more than one request's worth, with one that the API refuses */
	const list = Array.from({length: 120}, (_, i) => ({to: i === 70 ? 'nobody' : 'ada@example.com', subject: `Mail ${i}`, text: 'x', idempotencyKey: `json-${i}`}));
	await page.getByLabel('JSON or CSV').fill(JSON.stringify(list));
	await page.getByRole('button', {name: 'Send 120 mails'}).click();
	await noticed(page, '119 mails accepted, 1 refused.');
	await sees(page, 'json-70');
	await sees(page, 'All 122 settled: 122 sent.');
	assert.strictEqual(await page.getByRole('progressbar', {name: 'Settled mails'}).evaluate((bar) => bar.value / bar.max), 1);
	await inspect(page, 'send-many-sent');

	await page.getByLabel('JSON or CSV').fill('{"to": ');
	await sees(page, 'This is no JSON');

	/* a mail that waits is cancelled; one that was sent is sent again, by force */
	await page.evaluate(() => fetch('/api/email/send', {method: 'POST', headers: {'Content-Type': 'application/json'}, body: '{"to":"ada@example.com","subject":"Later","text":"x","delay":300000,"idempotencyKey":"later"}'}));
	await go(page, 'mail/later');
	await sees(page, 'Waits for its time.');
	await page.getByRole('button', {name: 'Cancel'}).click();
	await inspect(page, 'cancel-dialog');
	await page.getByRole('dialog').getByRole('button', {name: 'Cancel the mail'}).click();
	await sees(page, 'Cancelled before it was sent.');
	await go(page, 'mail');
	await page.getByLabel('Idempotency key').fill('hand-1');
	await page.getByRole('button', {name: 'Look up'}).click();
	await page.getByRole('button', {name: 'Resend'}).click();
	await page.getByRole('dialog').getByRole('button', {name: 'Send again'}).click();
	await page.waitForURL(/hand-1_resend_/);
	await sees(page, 'A provider has taken it.');
});
