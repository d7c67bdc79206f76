/* browser.js - a Chromium for one scenario (test_dashboard.c): pages that fail the test when a script breaks, when the
 * Content-Security-Policy stops something, or when axe-core finds something serious.
 *
 * From the environment: URL, and for some scenarios URL2, KEYS (name=key,…); PLAYWRIGHT, AXE, CHROMIUM: paths; SHOTS: where
 * screenshots go. A scenario says "step: …" when the test is to do something; it sees in the page that it was done. */
'use strict';

const assert = require('assert');
const fs = require('fs');
const path = require('path');
const {chromium} = require(process.env.PLAYWRIGHT);

const URL = process.env.URL;
const WAIT_MS = 60000;
const VIEWS = {
	light: {colorScheme: 'light', viewport: {width: 1280, height: 860}},
	dark: {colorScheme: 'dark', viewport: {width: 1280, height: 860}},
	phone: {colorScheme: 'light', viewport: {width: 375, height: 740}, hasTouch: true, isMobile: true},
	'phone-dark': {colorScheme: 'dark', viewport: {width: 375, height: 740}, hasTouch: true, isMobile: true},
};

let browser = null;
const faults = [];
/* What a scenario makes go wrong on purpose; an answer of the API that is a refusal is none of the page's faults. */
const expected = ['Failed to load resource: the server responded with a status of 4'];

function note(text) {
	if (!expected.some((e) => text.includes(e)))
		faults.push(text);
}

/* A window of its own: cookies, storage. view: one of VIEWS. */
async function open(view = 'light', url = URL) {
	const context = await browser.newContext({...VIEWS[view], baseURL: url, locale: 'en-GB', ignoreHTTPSErrors: true});
	const page = await context.newPage();

	page.setDefaultTimeout(WAIT_MS);
	page.view = view;
	page.on('pageerror', (e) => note(`a script broke: ${e.stack ?? e}`));
	page.on('console', (m) => m.type() === 'error' && note(`the console says: ${m.text()}`));
	await page.addInitScript(() => {
		addEventListener('securitypolicyviolation', (e) => console.error(`policy: ${e.violatedDirective} ${e.blockedURI}`));
	});
	return page;
}

async function go(page, where) {
	await page.goto(`/#/${where}`);
	await page.locator('h1').first().waitFor();
}

async function shoot(page, name) {
	const file = path.join(process.env.SHOTS, `${page.view}-${name}.png`);

	await page.screenshot({path: file, fullPage: true});
}

/* Nothing serious for axe-core, and nothing to the right of the screen. */
async function inspect(page, name) {
	const wide = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);

	await shoot(page, name);
	assert.ok(wide <= 0, `${page.view} ${name} is ${wide} px too wide`);
	await page.evaluate(fs.readFileSync(process.env.AXE, 'utf8'));
	const {violations} = await page.evaluate(() => window.axe.run());
	const bad = violations.filter((v) => ['serious', 'critical'].includes(v.impact));
	assert.deepStrictEqual(bad.map((v) => `${v.id}: ${v.nodes.map((n) => n.target.join(' ')).join(', ')}`), [], `${page.view} ${name}`);
}

/* The test does it; what it did shows in the page. */
function step(what) {
	process.stdout.write(`step: ${what}\n`);
}

const sees = (page, text) => page.getByText(text).first().waitFor();

/* A notice, and then without it, so that it is not taken for the next. */
async function noticed(page, text) {
	const one = page.locator('.notice', {hasText: text});

	await one.first().waitFor();
	await one.first().getByRole('button').click();
}

async function run(scenario) {
	browser = await chromium.launch({executablePath: process.env.CHROMIUM, args: ['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage']});
	try {
		await scenario();
		assert.deepStrictEqual(faults, []);
	} catch (e) {
		for (const context of browser.contexts())
			for (const page of context.pages()) {
				await page.screenshot({path: path.join(process.env.SHOTS, 'failed.png'), fullPage: true}).catch(() => {});
				fs.appendFileSync(path.join(process.env.SHOTS, 'failed.txt'), `${page.url()}:\n${await page.locator('body').innerText().catch(() => '')}\n\n`);
			}
		console.error(faults.join('\n'));
		console.error(e.stack);
		process.exitCode = 1;
	}
	await browser.close();
}

module.exports = {assert, URL, VIEWS, expected, open, go, shoot, inspect, step, sees, noticed, run};
