import { printed } from './cli/output.ts';
import { main } from './cli/program.ts';

const exitCode = await main(process.argv.slice(2));
await printed();
// Exits at once: whatever still holds the event loop open (a database that must not be closed after an error) is not waited for.
process.exit(exitCode);
