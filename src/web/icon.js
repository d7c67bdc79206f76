/* icon.js - the few pictures that the pages need, drawn as lines. They say nothing that is not said in words. */

import {svg} from './dom.js';

const PATHS = {
	overview: 'M4 19V11M10 19V5M16 19v-6M21 19H3',
	send: 'M21 3 10 14M21 3l-7 18-4-7-7-4z',
	mail: 'M4 6.500A1.500 1.500 0 0 1 5.500 5h13A1.500 1.500 0 0 1 20 6.500v11a1.500 1.500 0 0 1-1.500 1.500h-13A1.500 1.500 0 0 1 4 17.500zM4.500 6.500 12 12.500l7.500-6',
	dead: 'M12 3.500 22 20.500H2zM12 10v5M12 17.800v.200',
	fleet: 'M4 5h16v5H4zM4 14h16v5H4zM7.500 7.500v.010M7.500 16.500v.010',
	theme: 'M12 3.500a8.500 8.500 0 1 0 0 17zM12 3.500a8.500 8.500 0 0 1 0 17',
	leave: 'M10 4H5v16h5M15 8l4 4-4 4M19 12H9',
};

export function icon(name) {
	return svg('svg', {class: 'icon', viewBox: '0 0 24 24', 'aria-hidden': 'true', focusable: 'false'},
	           svg('path', {d: PATHS[name]}));
}
