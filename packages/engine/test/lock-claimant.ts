import { mkdirSync, rmdirSync } from 'node:fs';
import { join } from 'node:path';
import { lockStateDirectory } from '../src/state/lock.ts';

/** Claims a state directory again and again, and says how often it was the owner, and was not alone. Arguments: directory, rounds. */
const [directory = '', rounds = ''] = process.argv.slice(2);
const inside = join(directory, 'inside');
const count = { owner: 0, refused: 0, together: 0 };
console.log('ready');
for (let round = 0; round < Number(rounds); round++) {
  let lock: ReturnType<typeof lockStateDirectory>;
  try {
    lock = lockStateDirectory(directory);
  } catch {
    count.refused++;
    continue;
  }
  count.owner++;
  try {
    mkdirSync(inside);
    rmdirSync(inside);
  } catch {
    count.together++;
  }
  lock.release();
}
console.log(JSON.stringify(count));
