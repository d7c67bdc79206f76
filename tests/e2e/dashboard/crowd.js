/* A large fleet: 50 queues, 12 providers, 60 workers, 1,000 dead letters, and names as long as they may be. */
'use strict';

const {open, go, inspect, sees, noticed, run, assert} = require('./browser.js');

/* So many questions are asked less often than once a second: nothing is lost all the same. */
async function staysConnected(page) {
	await go(page, 'overview');
	await page.evaluate(() => {
		window.beats = window.lost = 0;
		new MutationObserver(() => {
			window.lost += document.body.textContent.includes('connection lost');
		}).observe(document.body, {subtree: true, childList: true, characterData: true});
		new EventSource('/api/live').addEventListener('fleet', () => window.beats++);
	});
	await page.waitForFunction(() => window.beats >= 3);
	assert.strictEqual(await page.evaluate(() => window.lost), 0);
}

run(async () => {
	for (const view of ['light', 'phone']) {
		const page = await open(view);

		await go(page, 'overview');
		await page.locator('.provider').nth(11).waitFor();
		await page.locator('tbody tr', {hasText: 'mail:q49'}).waitFor();
		await inspect(page, 'crowd-overview');
		await go(page, 'fleet');
		await page.locator('tbody tr').nth(59).waitFor();
		await inspect(page, 'crowd-fleet');
		await go(page, 'dead');
		await page.locator('tbody tr').nth(49).waitFor();
		await inspect(page, 'crowd-dead');
		await page.locator('tbody th a').first().click();
		await sees(page, 'Why it is here');
		await inspect(page, 'crowd-letter');
		await go(page, `mail/${'k'.repeat(250)}999`);
		await page.locator('.step', {hasText: 'Attempt 9'}).waitFor();
		await inspect(page, 'crowd-mail');
		await page.context().close();
	}

	/* all of them, by one button */
	const page = await open('light');
	const dialog = page.getByRole('dialog');

	await staysConnected(page);
	await go(page, 'dead');
	await page.locator('tbody tr').nth(49).waitFor();
	await page.getByRole('button', {name: 'Select all that match'}).click();
	await sees(page, '1,000 selected');
	await page.getByRole('button', {name: 'Drop…'}).click();
	await dialog.getByText('The content of 1,000 mails will be thrown away').waitFor();
	await inspect(page, 'crowd-drop');
	await dialog.getByRole('button', {name: 'Drop 1,000'}).click();
	await noticed(page, '1,000 mails dropped');
	await sees(page, 'No dead letters.');
	assert.strictEqual(await page.locator('tbody tr').count(), 0);
});
