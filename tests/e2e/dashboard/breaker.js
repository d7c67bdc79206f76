/* A breaker that has opened is seen, and reset; providers and queues are paused and weighed; two windows see the same. */
'use strict';

const {open, go, inspect, sees, noticed, step, run, assert} = require('./browser.js');

run(async () => {
	const one = await open('light'), two = await open('dark');
	const card = (page) => page.getByRole('article', {name: 'Provider primary'});

	await go(one, 'overview');
	await go(two, 'overview');
	await card(one).getByText('breaker closed').waitFor();
	step('open the breaker');
	await card(one).getByText('breaker open').waitFor();
	await card(two).getByText('breaker open').waitFor();
	await sees(one, 'Mail cannot go out.');
	await card(one).locator('.last-error', {hasText: '451 4.3.0'}).waitFor();
	await inspect(one, 'overview-breaker-open');
	step('mend the provider');
	await card(one).getByRole('button', {name: 'Reset breaker of primary'}).click();
	await one.getByRole('dialog').getByRole('button', {name: 'Reset'}).click();
	await noticed(one, 'Circuit breaker for primary has been reset');
	await card(one).getByText('breaker closed').waitFor();
	await card(two).getByText('breaker closed').waitFor();

	await card(one).getByRole('button', {name: 'Pause primary'}).click();
	await one.getByRole('dialog').getByRole('button', {name: 'Pause'}).click();
	await noticed(one, 'primary is paused');
	await card(two).getByText('paused', {exact: true}).waitFor();
	await card(two).getByRole('button', {name: 'Resume primary'}).click();
	await card(one).getByText('breaker closed').waitFor();
	await card(one).getByRole('spinbutton').fill('7');
	await card(one).getByRole('button', {name: 'Set the weight of primary'}).click();
	await noticed(one, 'primary has the weight 7 now');
	await card(two).locator('.facts', {hasText: '7'}).waitFor();
	assert.strictEqual(await card(two).getByRole('spinbutton').inputValue(), '7');
	await card(one).getByRole('spinbutton').fill('');
	await card(one).getByRole('button', {name: 'Set the weight of primary'}).click();
	await noticed(one, 'the weight of its DSN again');

	await one.getByRole('button', {name: 'Pause mail:queue', exact: true}).click();
	await one.getByRole('dialog').getByRole('button', {name: 'Cancel'}).click();
	await one.getByRole('button', {name: 'Pause mail:queue', exact: true}).click();
	await one.getByRole('dialog').getByRole('button', {name: 'Pause'}).click();
	await two.getByRole('button', {name: 'Resume mail:queue', exact: true}).waitFor();
	await sees(two, 'queue mail:queue: paused');
	await inspect(two, 'overview-queue-paused');
	await two.getByRole('button', {name: 'Resume mail:queue', exact: true}).click();
	await one.getByRole('button', {name: 'Pause mail:queue', exact: true}).waitFor();
});
