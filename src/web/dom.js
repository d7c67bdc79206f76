/* dom.js - elements. What comes from outside goes in as text, never as markup. */

const SVG = 'http://www.w3.org/2000/svg';
const PROPERTIES = ['value', 'checked', 'disabled', 'hidden', 'indeterminate', 'open'];

function set(node, name, value) {
	if (value === null || value === undefined)
		return;
	if (PROPERTIES.includes(name))
		node[name] = value;
	else if (name === 'on')
		for (const [event, fn] of Object.entries(value))
			node.addEventListener(event, fn);
	else if (name === 'data')
		Object.assign(node.dataset, value);
	else if (value !== false)
		node.setAttribute(name, value === true ? '' : String(value));
}

function build(node, attributes, children) {
	for (const [name, value] of Object.entries(attributes ?? {}))
		set(node, name, value);
	node.append(...children.flat(Infinity).filter((c) => c !== null && c !== undefined && c !== false));
	return node;
}

/* el('p', {class: 'note', on: {click: fn}}, 'text', otherElement, [more], null) */
export function el(tag, attributes, ...children) {
	return build(document.createElement(tag), attributes, children);
}

export function svg(tag, attributes, ...children) {
	return build(document.createElementNS(SVG, tag), attributes, children);
}

/* Touches the page only when something changes: else screen readers and selections are disturbed each second. */
export function setText(node, text) {
	const now = text === null || text === undefined ? '' : String(text);

	if (node.textContent !== now)
		node.textContent = now;
}

/* A text that is cut after a few lines. */
export function clamped(text) {
	return el('span', {class: 'clamp', title: text}, text);
}

export function setClass(node, name) {
	if (node.getAttribute('class') !== name)
		node.setAttribute('class', name);
}

export function show(node, yes) {
	if (node.hidden === yes)
		node.hidden = !yes;
}

/* A list whose parts are kept, so that what has the focus keeps it: make(item) → {node, update(item)}. */
export function keyedList(parent, keyOf, make) {
	const parts = new Map();

	return (items) => {
		const keys = items.map(keyOf);

		for (const [key, part] of parts) {
			if (keys.includes(key))
				continue;
			part.node.remove();
			parts.delete(key);
		}
		items.forEach((item, i) => {
			let part = parts.get(keys[i]);

			if (!part) {
				part = make(item);
				parts.set(keys[i], part);
			}
			if (parent.children[i] !== part.node)
				parent.insertBefore(part.node, parent.children[i] ?? null);
			part.update(item);
		});
	};
}
