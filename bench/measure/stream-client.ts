import { createInterface } from 'node:readline';
import { StreamClient, type StreamQuestion } from './stream-calls.js';

/** A caller of StreamMembers as a process of its own: a question of JSON on each line that it reads, what came on the next that it writes. */
const [address = ''] = process.argv.slice(2);
const client = new StreamClient(address);
for await (const line of createInterface({ input: process.stdin })) {
  const question = JSON.parse(line) as StreamQuestion;
  console.log(JSON.stringify(await client.stream(question)));
}
client.close();
