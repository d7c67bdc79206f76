/* Every page, light and dark, wide and on a phone; and what they say when there is nothing. */
'use strict';

const {open, go, inspect, sees, step, run, assert, VIEWS} = require('./browser.js');

const PAGES = {
	overview: 'overview', send: 'send', many: 'send/many', mail: 'mail', found: 'mail/page-1', missing: 'mail/nobody', dead: 'dead', letter: 'dead/page-bad',
	fleet: 'fleet',
};

/* What each must show before it is looked at. */
const SHOWS = {
	overview: 'breaker closed', send: 'One mail', many: 'JSON or CSV', mail: 'Which mail?', found: 'A provider has taken it.', missing: 'No mail has this key.',
	dead: 'None selected', letter: 'Why it is here', fleet: 'with room for',
};

run(async () => {
	const bare = await open('light');

	await go(bare, 'overview');
	await sees(bare, 'Mail is accepted and waits. Start a worker');
	await inspect(bare, 'overview-no-workers');
	await go(bare, 'fleet');
	await sees(bare, 'No worker is alive.');
	await inspect(bare, 'fleet-empty');
	await go(bare, 'dead');
	await sees(bare, 'No dead letters.');
	await inspect(bare, 'dead-empty');
	await bare.context().close();

	step('send');
	for (const view of Object.keys(VIEWS)) {
		const page = await open(view);

		for (const [name, where] of Object.entries(PAGES)) {
			await go(page, where);
			await sees(page, SHOWS[name]);
			if (name === 'overview') /* with a line in its chart */
				await page.locator('path.line.series-sent[d*=L]').waitFor();
			await inspect(page, name);
			assert.match(await page.title(), /Postrider$/);
			assert.strictEqual(await page.locator('nav[aria-label=Pages] a[aria-current=page]').count(), 1);
		}
		await page.context().close();
	}

	/* the theme can be chosen, and stays */
	const page = await open('light');
	const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
	await go(page, 'overview');
	const light = await ground();
	await page.getByRole('button', {name: 'Theme: system'}).click();
	await page.getByRole('button', {name: 'Theme: light'}).click();
	await page.getByRole('button', {name: 'Theme: dark'}).waitFor();
	const dark = await ground();
	assert.notStrictEqual(light, dark);
	await page.reload();
	await sees(page, 'Theme: dark');
	assert.strictEqual(await ground(), dark);
});
