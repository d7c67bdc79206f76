/* Redis goes away and comes back, and so does the API: the pages say so, and go on by themselves. */
'use strict';

const {open, go, inspect, sees, step, run, expected} = require('./browser.js');

run(async () => {
	const page = await open('light'), fleet = await open('light'), mail = await open('light');

	expected.push('503', 'ERR_CONNECTION_REFUSED', 'ERR_INCOMPLETE_CHUNKED', 'ERR_CONNECTION_RESET', 'ERR_EMPTY_RESPONSE');
	await go(page, 'overview');
	await go(fleet, 'fleet');
	await go(mail, 'mail/nobody');
	await sees(page, 'All is well');
	await sees(mail, 'No mail has this key.');
	step('redis away');
	await sees(page, 'Redis does not answer');
	await sees(page, 'Is Redis running, and reachable from the API');
	await sees(fleet, 'Is Redis running, and reachable from the API?');
	await inspect(page, 'overview-redis-away');
	await inspect(fleet, 'fleet-redis-away');
	await go(page, 'dead');
	await page.getByRole('alert').waitFor();
	await inspect(page, 'dead-redis-away');
	await go(page, 'overview');
	step('redis back');
	await sees(page, 'All is well');
	await sees(fleet, 'with room for');
	await sees(mail, 'No mail has this key.');

	step('api away');
	await sees(page, 'The API cannot be reached.');
	await sees(fleet, 'The API cannot be reached.');
	await inspect(page, 'overview-api-away');
	step('api back');
	await sees(page, 'All is well');
	await sees(fleet, 'with room for');
});
