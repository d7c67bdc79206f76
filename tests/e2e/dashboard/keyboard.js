/* All of it by keyboard alone: where the focus is shows, nothing holds it, and a mail is sent without a mouse. */
'use strict';

const {open, go, shoot, sees, run, assert} = require('./browser.js');

const here = (page) => page.evaluate(() => {
	const a = document.activeElement;

	return a === document.body ? 'body' : `${a.tagName.toLowerCase()} ${a.getAttribute('aria-label') ?? a.id ?? ''} ${a.textContent.slice(0, 30)}`.trim();
});

/* Tab until all have been met; each must show that it has the focus. */
async function walk(page, name) {
	const seen = [];

	await page.evaluate(() => {
		document.activeElement.blur();
		getSelection().removeAllRanges();
		document.body.tabIndex = -1;
		document.body.focus();
		document.body.removeAttribute('tabindex');
	});
	for (let i = 0; i < 80; i++) {
		await page.keyboard.press('Tab');
		const where = await here(page);

		if (where === 'body' || (i > 0 && where === seen[0]))
			break;
		seen.push(where);
		const outline = await page.evaluate(() => {
			const s = getComputedStyle(document.activeElement);

			return s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2;
		});
		assert.ok(outline, `${name}: it does not show that ${where} has the focus`);
		const rect = await page.evaluate(() => {
			const r = document.activeElement.getBoundingClientRect();

			return r.width > 0 && r.height > 0 && r.bottom > 0 && r.top < innerHeight;
		});
		assert.ok(rect, `${name}: ${where} has the focus, and cannot be seen`);
	}
	assert.ok(seen.length < 80, `${name}: the focus never comes round`);
	assert.match(seen[0], /Skip to the content/, name);
	/* every control was met */
	const controls = await page.evaluate(() => [...document.querySelectorAll('a[href], button, input, select, textarea, summary')].filter((n) => n.checkVisibility() && !n.disabled).length);
	assert.ok(seen.length >= controls, `${name}: of ${controls} controls ${seen.length} were met`);
	return seen;
}

async function tabTo(page, what) {
	for (let i = 0; i < 80; i++) {
		await page.keyboard.press('Tab');
		if ((await here(page)).includes(what))
			return;
	}
	assert.fail(`the focus never comes to ${what}`);
}

run(async () => {
	const page = await open('light');

	for (const where of ['overview', 'send', 'send/many', 'mail', 'mail/kept', 'dead', 'fleet']) {
		await go(page, where);
		if (where === 'overview')
			await page.getByRole('article').first().waitFor();
		if (where === 'mail/kept')
			await sees(page, 'A provider has taken it.');
		await walk(page, where);
	}

	/* the skip link leads past the navigation */
	await page.reload();
	await page.locator('h1').waitFor();
	await page.keyboard.press('Tab');
	assert.match(await here(page), /Skip/);
	await shoot(page, 'skip-link');
	await page.keyboard.press('Enter');
	assert.match(await here(page), /^main/);

	/* from page to page, and to the new page's title */
	await page.reload();
	await page.locator('h1').waitFor();
	await tabTo(page, 'Send');
	await page.keyboard.press('Enter');
	await page.waitForFunction(() => document.activeElement.id === 'title');
	await tabTo(page, 'f-to');
	await page.keyboard.type('ada@example.com');
	await page.keyboard.press('Tab');
	await page.keyboard.type('By keyboard');
	await page.keyboard.press('Tab');
	await page.keyboard.type('Hello');
	await page.keyboard.press('Tab');
	await page.keyboard.press('ControlOrMeta+a');
	await page.keyboard.type('keys-1');
	await page.keyboard.press('Enter');
	await page.locator('#watched', {hasText: 'keys-1'}).waitFor();
	await sees(page, 'settled: 1 sent.');

	/* a dialog takes the focus, keeps it, and gives it back */
	await go(page, 'overview');
	await page.getByRole('button', {name: 'Pause mail:queue'}).waitFor();
	await tabTo(page, 'Pause mail:queue');
	await page.keyboard.press('Enter');
	await page.getByRole('dialog').waitFor();
	assert.match(await here(page), /Cancel/);
	for (let i = 0; i < 5; i++) {
		await page.keyboard.press('Tab');
		assert.ok(await page.evaluate(() => document.activeElement === document.body || document.activeElement.closest('dialog') !== null));
	}
	await page.keyboard.press('Escape');
	await page.getByRole('dialog').waitFor({state: 'detached'});
	assert.match(await here(page), /Pause mail:queue/);
});
