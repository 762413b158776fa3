// Watches a stream with the npm package `eventsource` and prints one line of JSON per event, until
// the response says that the match is gone or the process is ended.
//   node eventsource.mjs URL
import { EventSource } from 'eventsource';

const source = new EventSource(process.argv[2]);
const print = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
for (const name of ['snapshot', 'changes', 'serving', 'match', 'heartbeat']) {
  source.addEventListener(name, (event) => {
    print({ name, id: event.lastEventId, data: JSON.parse(event.data) });
  });
}
source.onopen = () => print({ name: 'open' });
source.onerror = (event) => print({ name: 'error', code: event.code ?? null });
