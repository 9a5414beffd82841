import { ByteReader, ByteWriter } from '../lib/bytes.ts';
import { checkShape, decodeHead, encodeHead } from './head.ts';
import { type SourceId, isSourceId } from './source.ts';

const MAGIC_CONTROL = 0x43; // 'C'
const MAGIC_GENESIS = 0x47; // 'G'
const VERSION = 1;

/** The first record of a partition: a random id that tells this log from every other. Only the first record counts as genesis. */
export interface Genesis {
  readonly log: string;
}

export function encodeGenesis(genesis: Genesis): Uint8Array {
  return encode(MAGIC_GENESIS, genesis);
}

export function decodeGenesis(bytes: Uint8Array): Genesis {
  const head = decodeHead(new ByteReader(bytes), MAGIC_GENESIS, VERSION, 'genesis');
  checkShape(head, { log: 'text' }, 'genesis');
  return head as unknown as Genesis;
}

/** What neither the file nor the log has any more: moves a source's mark over a gap, and the ledger says so. */
export interface DeclaredLoss {
  readonly type: 'declared_loss';
  readonly source: SourceId;
  readonly from: number;
  readonly to: number;
  /** Hash of the 64 bytes below `to`, as the next block's `tail` will have it. */
  readonly tail: string;
}

export type Control = DeclaredLoss;

export function encodeControl(control: Control): Uint8Array {
  return encode(MAGIC_CONTROL, control);
}

export function decodeControl(bytes: Uint8Array): Control {
  const head = decodeHead(new ByteReader(bytes), MAGIC_CONTROL, VERSION, 'control message');
  checkShape(head, { type: 'text', source: 'text', from: 'count', to: 'count', tail: 'text' }, 'control message');
  const control = head as unknown as Control;
  if (control.type !== 'declared_loss') throw new RangeError(`control message of the type ${String(control.type)}`);
  if (!isSourceId(control.source)) throw new RangeError('control message without a source');
  return control;
}

function encode(magic: number, head: object): Uint8Array {
  const out = new ByteWriter();
  encodeHead(out, magic, VERSION, head);
  return out.view().slice();
}
