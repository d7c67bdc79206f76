/* Dead letters are found, looked at, retried and dropped, and what that will do is said first. */
'use strict';

const {open, go, inspect, sees, noticed, step, run, assert} = require('./browser.js');

run(async () => {
	const page = await open('light');
	const rows = page.locator('tbody tr'), dialog = page.getByRole('dialog');

	await go(page, 'dead');
	await rows.nth(4).waitFor();
	assert.strictEqual(await rows.count(), 5);
	/* filters */
	await page.getByLabel('Error has').fill('invalid');
	await page.getByRole('button', {name: 'Show', exact: true}).click();
	await page.waitForFunction(() => document.querySelectorAll('tbody tr').length === 1);
	await page.getByLabel('Error has').fill('there is no such error');
	await page.getByRole('button', {name: 'Show', exact: true}).click();
	await sees(page, 'No dead letter matches.');
	await page.getByLabel('Error has').fill('');
	await page.getByLabel('Age', {exact: true}).selectOption('Older than a day');
	await sees(page, 'No dead letter matches.');
	await page.getByLabel('Age', {exact: true}).selectOption('Of the last hour');
	await page.getByLabel('Provider', {exact: true}).selectOption('primary');
	await page.waitForFunction(() => document.querySelectorAll('tbody tr').length === 4);

	/* one */
	await page.getByRole('link', {name: 'dead-0'}).click();
	await sees(page, 'Why it is here');
	await sees(page, '"idempotencyKey": "dead-0"');
	await inspect(page, 'letter');
	await page.getByRole('link', {name: 'All dead letters'}).click();
	await rows.nth(4).waitFor();

	/* retry two, one of which cannot be */
	step('mend the provider');
	await page.getByLabel('Select dead-0').check();
	await page.getByLabel('Select dead-1').check();
	await sees(page, '2 selected');
	await page.getByRole('button', {name: 'Retry…'}).click();
	await dialog.getByText('1 mail will be tried again').waitFor();
	await dialog.getByText('1 left alone: it was sent meanwhile').waitFor();
	await inspect(page, 'dead-retry');
	await dialog.getByRole('button', {name: 'Cancel'}).click();
	assert.strictEqual(await rows.count(), 5);
	await page.getByRole('button', {name: 'Retry…'}).click();
	await dialog.getByRole('button', {name: 'Retry 1'}).click();
	await noticed(page, '1 mail will be tried again');
	await page.waitForFunction(() => document.querySelectorAll('tbody tr').length === 4);
	await go(page, 'mail/dead-0');
	await sees(page, 'A provider has taken it.');
	await sees(page, 'Attempt 2');

	/* drop all */
	await go(page, 'dead');
	await rows.nth(3).waitFor();
	await page.getByLabel('Select all that are shown').check();
	await sees(page, '4 selected');
	await page.getByLabel('Select dead-2').uncheck();
	await page.getByRole('button', {name: 'Select all that match'}).click();
	await sees(page, '4 selected');
	await page.getByRole('button', {name: 'Drop…'}).click();
	await dialog.getByText('4 mails will be thrown away').waitFor();
	await inspect(page, 'dead-drop');
	await dialog.getByRole('button', {name: 'Drop 4'}).click();
	await noticed(page, '4 mails dropped');
	await sees(page, 'No dead letters.');
});
