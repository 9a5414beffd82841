// What the stack must show, wherever it runs: every line that the generator wrote is one document and is counted once in the tables,
// although roles were killed on the way.
import { setTimeout as sleep } from 'node:timers/promises';

/** The stack as the proof sees it: in containers, or as processes of this machine. */
export interface StackUnderProof {
  /** A command of ours beside the stack: its exit code and what it printed. */
  tailrace(...args: readonly string[]): Promise<{ readonly code: number; readonly output: string }>;
  /** Lines in all log files. */
  countLines(): Promise<number>;
  /** Documents of lines in Elasticsearch, and their different ids. */
  countDocuments(): Promise<{ readonly documents: number; readonly ids: number }>;
  /** By SIGKILL; somebody else starts it again. */
  kill(role: 'engine' | 'search'): Promise<void>;
  stopGenerator(): Promise<void>;
  say(line: string): void;
}

export interface ProofOptions {
  /** Documents that must be there before the first role is killed, and again as many after it. */
  readonly documentsMin: number;
  /** For each thing that is waited for. */
  readonly patienceMs: number;
}

export interface Proof {
  readonly lines: number;
  readonly documents: number;
  readonly rows: number;
  readonly audit: string;
}

/** Fails with what is missing. */
export async function proveStack(stack: StackUnderProof, { documentsMin, patienceMs }: ProofOptions): Promise<Proof> {
  const until = async (what: string, isSo: () => Promise<string | true>): Promise<void> => {
    const startedMs = performance.now();
    const sinceMs = (): number => performance.now() - startedMs;
    for (;;) {
      const answer = await isSo();
      if (answer === true) return stack.say(`${what}, after ${(sinceMs() / 1000).toFixed(1)} s`);
      if (sinceMs() > patienceMs) throw new Error(`in ${patienceMs / 1000} s not: ${what} (${answer})`);
      await sleep(500);
    }
  };
  const documentsAtLeast = (wanted: number) => async (): Promise<string | true> => {
    const { documents } = await stack.countDocuments();
    return documents >= wanted || `${documents} documents of ${wanted}`;
  };

  await until(`${documentsMin} documents in Elasticsearch`, documentsAtLeast(documentsMin));
  await until('rows in DuckDB', async () => (await countRows(stack)) > 0 || 'no rows');
  const before = (await stack.countDocuments()).documents;
  for (const role of ['engine', 'search'] as const) {
    await stack.kill(role);
    stack.say(`${role} killed by SIGKILL`);
  }
  await until('documents come again', documentsAtLeast(before + documentsMin));
  await stack.stopGenerator();

  const lines = await stack.countLines();
  await until(`${lines} lines are ${lines} documents, each with an id of its own`, async () => {
    const { documents, ids } = await stack.countDocuments();
    if (documents > lines) throw new Error(`${documents} documents of ${lines} lines: some are doubled`);
    return (documents === lines && ids === lines) || `${documents} documents, ${ids} ids, ${lines} lines`;
  });
  let audit = '';
  await until('the audit finds each line once in the tables', async () => {
    const { code, output } = await stack.tailrace('audit', '-c', 'stack.yaml');
    audit = output;
    return code === 0 || output;
  });
  return { lines, documents: (await stack.countDocuments()).documents, rows: await countRows(stack), audit };
}

async function countRows(stack: StackUnderProof): Promise<number> {
  const { code, output } = await stack.tailrace('sql', '-c', 'stack.yaml', '--json', 'select count(*) from traffic');
  if (code !== 0) return 0;
  const { rows } = JSON.parse(output) as { readonly rows: readonly (readonly (number | string)[])[] };
  return Number(rows[0]?.[0] ?? 0);
}
