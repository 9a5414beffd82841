import type { Epoch } from '../epoch/epoch.ts';
import { isSamePipeline } from '../epoch/fingerprint.ts';
import type { Pipeline } from '../epoch/pipeline.ts';
import { EXIT, OperatingError } from '../lib/errors.ts';

/**
 * Where hosts with an older and a newer pipeline share the sinks of one store, the older one must not read past epochs of the newer one: it
 * knows nothing of what was added, and whoever comes after it would begin behind that. It lets through what is its own or older.
 */
export class GenerationGate {
  readonly #pipeline: Pipeline;
  #generationMax: number;

  constructor({ pipeline, generation }: { readonly pipeline: Pipeline; readonly generation: number }) {
    this.#pipeline = pipeline;
    this.#generationMax = generation;
  }

  /** Throws SUPERSEDED at an epoch of a newer pipeline. A generation begins with a snapshot, which says what it is. */
  check({ envelope, body }: Epoch): void {
    const { generation } = envelope;
    if (generation <= this.#generationMax) return;
    if (body.pipeline === null || !isSamePipeline(body.pipeline, this.#pipeline)) {
      throw new OperatingError(`the log carries a newer pipeline (generation ${generation}) than this run brought`, {
        code: 'SUPERSEDED',
        exitCode: EXIT.superseded,
        hint: 'start it again with the configuration that is in use',
      });
    }
    this.#generationMax = generation;
  }
}
