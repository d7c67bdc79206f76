/* csv.js - CSV as spreadsheets write it (RFC 4180): quotes, line breaks within them, comma, semicolon or tab. */

function separatorOf(text) {
	const line = text.slice(0, text.search(/\r?\n|$/));

	return [',', ';', '\t'].reduce((best, c) => line.split(c).length > line.split(best).length ? c : best, ',');
}

/* [[cell, …], …]; each row also has the number of the line on which it begins. */
export function rows(text) {
	const separator = separatorOf(text), all = [];
	let row = [], cell = '', quoted = false, line = 1, begin = 1;

	function endCell() {
		row.push(cell);
		cell = '';
	}
	function endRow() {
		endCell();
		if (row.length > 1 || row[0].trim() !== '')
			all.push({cells: row, line: begin});
		row = [];
		begin = line;
	}
	for (let i = 0; i < text.length; i++) {
		const c = text[i];

		if (c === '\n')
			line++;
		if (quoted) {
			if (c !== '"')
				cell += c;
			else if (text[i + 1] === '"')
				cell += text[++i];
			else
				quoted = false;
		} else if (c === '"' && cell === '') {
			quoted = true;
		} else if (c === separator) {
			endCell();
		} else if (c === '\n') {
			endRow();
		} else if (c !== '\r') {
			cell += c;
		}
	}
	if (cell !== '' || row.length > 0)
		endRow();
	if (quoted)
		throw new Error(`A quote is opened in the row on line ${begin} and never closed`);
	return all;
}
