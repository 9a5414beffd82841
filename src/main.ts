import { main } from './cli/program.ts';

// Exits at once: whatever still holds the event loop open (a database that must not be closed after an error) is not waited for.
process.exit(await main(process.argv.slice(2)));
