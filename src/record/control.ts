import { ByteReader, ByteWriter } from '../lib/bytes.ts';
import { decodeHead, encodeHead } from './head.ts';
import type { SourceId } from './source.ts';

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
  return decodeHead(new ByteReader(bytes), MAGIC_GENESIS, VERSION, 'genesis') as unknown as Genesis;
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
  return decodeHead(new ByteReader(bytes), MAGIC_CONTROL, VERSION, 'control message') as unknown as Control;
}

function encode(magic: number, head: object): Uint8Array {
  const out = new ByteWriter();
  encodeHead(out, magic, VERSION, head);
  return out.view().slice();
}
