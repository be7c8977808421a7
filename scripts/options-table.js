/** Writes the table of options between its markers in the README, or with --check says whether it is current. Needs a build. */
import { readFileSync, writeFileSync } from 'node:fs';
import { optionsTable } from '../dist/server/options.js';

const FILE = 'README.md';
const BETWEEN_MARKERS = /(?<=<!-- options -->\n).*?(?=\n<!-- \/options -->)/s;

const text = readFileSync(FILE, 'utf8');
if (!BETWEEN_MARKERS.test(text)) throw new Error(`${FILE} has no <!-- options --> … <!-- /options -->`);
const current = text.replace(BETWEEN_MARKERS, () => optionsTable());

if (!process.argv.includes('--check')) writeFileSync(FILE, current);
else if (current !== text) {
  console.error(`The options table of ${FILE} differs from what \`npm run generate\` gives`);
  process.exitCode = 1;
}
