import { fileURLToPath } from 'node:url';
import { printed } from './cli/output.ts';
import { main } from './cli/program.ts';

const exitCode = await main(process.argv.slice(2), async () => ({
  components: (await import('./components.ts')).COMPONENTS,
  entry: fileURLToPath(import.meta.url),
}));
await printed();
// Exits at once: whatever still holds the event loop open (a database that must not be closed after an error) is not waited for.
process.exit(exitCode);
