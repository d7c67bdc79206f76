/* provider.js - a provider as a card: can mail go through it, how well did it, and what can be done about it. */

import {confirm} from './dialog.js';
import {el, setText, show} from './dom.js';
import {count, duration, percent, rate, setWhen} from './format.js';
import {post} from './http.js';
import {state} from './live.js';
import {attempt, notice} from './notice.js';
import {setPill} from './pill.js';
import {may} from './session.js';
import {lately, quantile} from './window.js';

const BAD = ['retry', 'provider_down', 'rejected', 'unknown'];

function stateOf({stats}) {
	if (stats.paused)
		return 'paused';
	if (stats.breaker.state === 'OPEN')
		return 'open';
	if (stats.breaker.state === 'HALF_OPEN')
		return 'half-open';
	return stats.throttledMs > 0 ? 'throttled' : 'closed';
}

function sentence(provider) {
	const {stats} = provider, b = stats.breaker;

	switch (stateOf(provider)) {
	case 'paused':
		return 'Paused by hand: mail goes by the others, or waits.';
	case 'open':
		return `${b.reason ?? 'Too many failures in a row'}. ${b.probeInMs > 0 ? `A probe in ${duration(b.probeInMs)}.` : 'A probe is due.'}`;
	case 'half-open':
		return 'A few probes find out whether it is well again.';
	case 'throttled':
		return `It asked us to wait ${duration(stats.throttledMs)}.`;
	default:
		return b.failures > 0 ? `${count(b.failures)} ${b.failures === 1 ? 'failure' : 'failures'} in a row.` : 'Mail goes through.';
	}
}

/* Of the attempts of the last minutes, or of all that were ever counted. */
function success(provider) {
	const pick = (f) => {
		const p = f.providers?.find((q) => q.stats.name === provider.stats.name);

		return p && [p.stats.attempts.sent, BAD.reduce((n, k) => n + p.stats.attempts[k], 0)];
	};
	const seen = lately(state.samples, pick), [good, bad] = seen.slots;

	return {share: good + bad > 0 ? good / (good + bad) : NaN, n: good + bad, lately: seen.lately};
}

function slowest(provider) {
	const seen = lately(state.samples, (f) => f.providers?.find((q) => q.stats.name === provider.stats.name)?.call);

	return quantile(seen.slots, state.fleet.bounds, 0.95);
}

function fact(title) {
	const value = el('dd');

	return {node: el('div', {class: 'fact'}, el('dt', null, title), value), value};
}

function meter(label) {
	const bar = el('span', {class: 'meter-bar'}), node = el('span', {class: 'meter', role: 'img', 'aria-label': label}, bar);

	return {node, set(share, text) {
		bar.style.width = `${Math.max(0, Math.min(1, share)) * 100}%`;
		if (node.getAttribute('aria-label') !== text)
			node.setAttribute('aria-label', text);
	}};
}

/* Pause or resume, reset, weight: there only for who may. */
function controls(name) {
	const pause = el('button', {type: 'button'}), reset = el('button', {type: 'button'}, 'Reset breaker');
	const weight = el('input', {type: 'number', min: '0', max: '1000', step: '1', class: 'short', id: `weight-${name}`, placeholder: 'default'});
	const set = el('button', {type: 'submit'}, 'Set');
	const form = el('form', {class: 'weight'}, el('label', {for: weight.id}, 'Weight'), weight, set);
	const node = el('div', {class: 'provider-actions'}, el('div', {class: 'actions'}, pause, reset), form);
	let paused = false, shown = null;

	pause.addEventListener('click', () => attempt(pause, async () => {
		if (!paused && !await confirm({title: `Pause ${name}?`, action: 'Pause', body: el('p', null, 'What is in flight is finished. Mail goes by the other providers, or waits where there is none, until somebody resumes it.')}))
			return;
		await post(`/api/providers/${paused ? 'resume' : 'pause'}`, {provider: name});
		notice(`${name} is ${paused ? 'resumed' : 'paused'} for the whole fleet.`);
	}));
	reset.addEventListener('click', () => attempt(reset, async () => {
		if (!await confirm({title: `Reset the breaker of ${name}?`, action: 'Reset',
		                    body: el('p', null, 'It is closed at once, and mail goes to this provider again. If the provider is not well, the breaker opens again after a few failures.')}))
			return;
		const answer = await post('/circuit-breakers/reset', {provider: name});
		notice(`${answer.message}.`);
	}));
	form.addEventListener('submit', (e) => {
		e.preventDefault();
		attempt(set, async () => {
			const value = weight.value.trim() === '' ? null : Number(weight.value);

			await post('/api/providers/weight', {provider: name, weight: value});
			notice(value === null ? `${name} has the weight of its DSN again.` : `${name} has the weight ${value} now.`);
		});
	});
	weight.title = 'Its share of the mails among the providers of its tier; empty: what its DSN says';
	return {node, update(provider) {
		paused = provider.stats.paused;
		setText(pause, paused ? 'Resume' : 'Pause');
		pause.setAttribute('aria-label', `${paused ? 'Resume' : 'Pause'} ${name}`);
		reset.setAttribute('aria-label', `Reset breaker of ${name}`);
		set.setAttribute('aria-label', `Set the weight of ${name}`);
		show(reset, provider.stats.breaker.state !== 'CLOSED' || provider.stats.breaker.failures > 0);
		/* not while somebody types */
		if (provider.weight !== shown && document.activeElement !== weight)
			weight.value = provider.weight ?? '';
		shown = provider.weight;
	}};
}

export function providerCard(name) {
	const pillNode = el('span', {class: 'pill'}), text = el('p', {class: 'provider-text'});
	const rateFact = fact('Success'), slow = fact('p95'), sent = fact('Sent'), weight = fact('Weight');
	const bucketText = el('span', {class: 'meter-text'}), bucket = meter('');
	const bucketBox = el('div', {class: 'bucket'}, el('span', {class: 'meter-title'}, 'Bucket'), bucket.node, bucketText);
	const errorCode = el('code'), errorAt = el('time');
	const error = el('p', {class: 'last-error'}, el('span', {class: 'meter-title'}, 'Last error'), ' ', errorCode, ' ', errorAt);
	const buttons = may('admin') ? controls(name) : null;
	const node = el('article', {class: 'card provider', 'aria-label': `Provider ${name}`},
	                el('div', {class: 'provider-head'}, el('h3', null, name), pillNode), text,
	                el('dl', {class: 'facts'}, rateFact.node, slow.node, sent.node, weight.node),
	                bucketBox, error, buttons?.node);

	return {node, update(provider) {
		const good = success(provider), b = provider.stats.bucket, word = stateOf(provider);

		setPill(pillNode, ['open', 'half-open', 'closed'].includes(word) ? `breaker ${word}` : word);
		node.dataset.state = word;
		setText(text, sentence(provider));
		setText(rateFact.value, percent(good.share));
		rateFact.node.title = good.n > 0 ? `Of ${count(good.n)} attempts ${good.lately ? 'of the last minutes' : 'since counting began'}` : 'No attempt yet';
		setText(slow.value, duration(slowest(provider)));
		setText(sent.value, count(provider.stats.sent));
		setText(weight.value, provider.weight === null ? 'default' : count(provider.weight));
		show(bucketBox, b !== null);
		if (b !== null) {
			bucket.set(b.tokens / b.capacity, `${b.tokens} of ${b.capacity} mails may go at once`);
			setText(bucketText, `${count(b.tokens)} of ${count(b.capacity)} · ${rate(b.ratePerSecond)}/s`);
		}
		setText(errorCode, provider.lastError?.code ?? 'none lately');
		show(errorAt, provider.lastError !== null);
		setWhen(errorAt, provider.lastError?.at ?? null);
		buttons?.update(provider);
	}};
}
