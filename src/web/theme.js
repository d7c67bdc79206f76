/* theme.js - light, dark, or what the system says; kept in the browser. Runs before the page is drawn, so it is no
 * module. */
(() => {
	const NAME = 'postrider.theme';
	const CHOICES = ['system', 'light', 'dark'];

	function read() {
		try {
			const kept = localStorage.getItem(NAME);
			return CHOICES.includes(kept) ? kept : 'system';
		} catch {
			return 'system'; /* no storage here */
		}
	}

	function show(choice) {
		if (choice === 'system')
			delete document.documentElement.dataset.theme;
		else
			document.documentElement.dataset.theme = choice;
	}

	window.theme = {
		get: read,
		/* The next choice, which is then shown. */
		next() {
			const choice = CHOICES[(CHOICES.indexOf(read()) + 1) % CHOICES.length];

			try {
				localStorage.setItem(NAME, choice);
			} catch {
				/* for this page only */
			}
			show(choice);
			return choice;
		},
	};
	show(read());
})();
