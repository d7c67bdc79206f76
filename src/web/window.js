/* window.js - what happened lately, from counts that only grow: rates and quantiles. */

/* The counts at a time, between two samples if need be. */
function at(samples, time, name) {
	let i = samples.length - 1;

	while (i > 0 && samples[i].at > time)
		i--;
	const a = samples[i], b = samples[i + 1];
	if (!b || a.at >= time)
		return a[name];
	return a[name] + (b[name] - a[name]) * (time - a.at) / (b.at - a.at);
}

/* A second's worth of `name` around each of these times; null where nothing is known. Workers tell their counts once a
 * second, as we ask once a second: only over a few seconds the figure is steady. */
export function rates(samples, name, times, spanMs) {
	const first = samples[0]?.at ?? Infinity, last = samples.at(-1)?.at ?? -Infinity;

	return times.map((time) => {
		const from = Math.max(time - spanMs, first), to = Math.min(time, last);

		if (to - from < 500)
			return null;
		return Math.max(0, (at(samples, to, name) - at(samples, from, name)) * 1000 / (to - from));
	});
}

export function rateNow(samples, name, spanMs) {
	return samples.length > 1 ? rates(samples, name, [samples.at(-1).at], spanMs)[0] : null;
}

/* What was added to these slots since the oldest sample that has them; all that was ever counted, when nothing was. pick:
 * an event → its slots. */
export function lately(samples, pick) {
	const known = samples.filter((s) => s.fleet && pick(s.fleet));
	const now = known.length > 0 ? pick(known.at(-1).fleet) : [];
	const before = known.length > 0 ? pick(known[0].fleet) : [];
	const added = now.map((n, i) => Math.max(0, n - before[i]));

	if (added.some((n) => n > 0))
		return {slots: added, lately: true};
	return {slots: now, lately: false};
}

/* As Prometheus' histogram_quantile: even within a bucket. NaN: nothing was counted. */
export function quantile(slots, bounds, q) {
	const total = slots.reduce((sum, n) => sum + n, 0);
	let before = 0;

	for (let i = 0; i < slots.length && total > 0; i++) {
		const low = i > 0 ? bounds[i - 1] : 0;

		if (before + slots[i] >= q * total && slots[i] > 0)
			return i < bounds.length ? low + (bounds[i] - low) * (q * total - before) / slots[i] : low;
		before += slots[i];
	}
	return NaN;
}
