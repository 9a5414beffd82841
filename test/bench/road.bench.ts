// The whole road on the embedded log: a cold start on a file of combined lines, to the last row committed in DuckDB, every process included. The
// result is compared with plain SQL over the file. `node test/bench/road.bench.ts [lines] [rounds]`; the figures of docs/PERFORMANCE.md are its.
import { benchRoad, roadConfig } from '../support/road-bench.ts';

const lines = Number(process.argv[2] ?? 10_000_000);
const rounds = Number(process.argv[3] ?? 5);

await benchRoad(lines, rounds, (file) => roadConfig(file, ''));
