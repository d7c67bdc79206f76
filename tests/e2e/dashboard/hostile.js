/* Whatever strangers write into subjects, keys, errors and names is shown, and does nothing. */
'use strict';

const {open, go, inspect, sees, run, assert} = require('./browser.js');

const EVIL = '<img src=x onerror=window.hit=1>';

async function isInert(page, name) {
	await inspect(page, name);
	assert.strictEqual(await page.evaluate(() => window.hit), undefined);
	assert.strictEqual(await page.locator('main img, main script, main iframe').count(), 0);
}

run(async () => {
	const page = await open('light');

	await page.addInitScript(() => {
		window.alert = () => {
			window.hit = 1;
		};
	});
	await go(page, `mail/${encodeURIComponent(EVIL)}`);
	await sees(page, 'No mail has this key.');
	await isInert(page, 'hostile-key');
	await go(page, 'mail/evil');
	await page.getByText(`${EVIL} subject`).first().waitFor();
	await page.getByText(`${EVIL} text`).first().waitFor();
	await isInert(page, 'hostile-mail');
	await go(page, 'dead');
	await page.getByText(`${EVIL} error`).first().waitFor();
	await isInert(page, 'hostile-dead');
	await page.locator('tbody th a').first().click();
	await sees(page, 'Why it is here');
	await page.locator('.payload', {hasText: EVIL}).waitFor();
	await isInert(page, 'hostile-letter');
	await go(page, 'overview');
	await page.locator('code', {hasText: EVIL}).first().waitFor();
	await page.getByText(`${EVIL} reason`).first().waitFor();
	await isInert(page, 'hostile-overview');
	await go(page, 'fleet');
	await page.locator('code', {hasText: EVIL}).first().waitFor();
	await isInert(page, 'hostile-fleet');

	/* many mails, read in the page */
	await go(page, 'send/many');
	await page.getByLabel('JSON or CSV').fill(JSON.stringify([{to: 'ada@example.com', subject: EVIL, text: EVIL, idempotencyKey: 'evil-paste'}, {subject: EVIL}]));
	await page.getByRole('button', {name: 'Send 1 mail'}).click();
	await page.locator('#watched', {hasText: 'evil-paste'}).waitFor();
	await isInert(page, 'hostile-many');
});
