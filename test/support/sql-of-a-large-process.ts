// Asks a warehouse's file from a process that has more memory than a query may take: `node sql-of-a-large-process.ts <socket> <database>`.
import { writeSync } from 'node:fs';
import { querySql } from '../../src/sinks/duckdb/client.ts';

const [, , socketPath = '', databasePath = ''] = process.argv;
// Written to, so that it is resident.
const ballast = Buffer.alloc(1_100_000_000, 1);
const { rows } = await querySql({ socketPath, databasePath }, 'SELECT lines FROM traffic');
writeSync(1, JSON.stringify(rows));
process.exitCode = ballast.at(-1) === 1 ? 0 : 1;
