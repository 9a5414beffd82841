/* oxlint-disable eslint/no-control-regex -- the marks by which files are known are bytes, and here each is a character. */

/** What a file holds that is not lines of text, and the way out. */
export interface ForeignContent {
  /** Follows the file's name: `is compressed (gzip)`. */
  readonly reason: string;
  readonly hint: string;
  /** Compressed, as rotation leaves its old files. */
  readonly isCompressed: boolean;
}

/** So many bytes of a file's begin are enough to tell; of a shorter file what there is. */
export const CONTENT_SAMPLE_BYTES = 4096;

const COMPRESSED: readonly (readonly [name: string, begin: RegExp])[] = [
  ['gzip', /^\x1f\x8b/],
  ['zstd', /^(?:\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18)/],
  ['bzip2', /^BZh[1-9](?:1AY&SY|\x17\x72\x45\x38\x50\x90)/],
  ['xz', /^\xfd7zXZ\x00/],
  ['lz4', /^\x04\x22\x4d\x18/],
  ['lzip', /^LZIP[\x00\x01]/],
  ['lzop', /^\x89LZO\x00/],
  ['compress', /^\x1f[\x9d\xa0]/],
  ['zip', /^PK(?:\x03\x04|\x05\x06)/],
  ['7-Zip', /^7z\xbc\xaf\x27\x1c/],
];

const BINARY: readonly (readonly [name: string, begin: RegExp])[] = [
  ['an SQLite database', /^SQLite format 3\x00/],
  ['a journal of systemd', /^LPKSHHRH/],
  ['a program', /^(?:\x7fELF|MZ[^]{58,}PE\x00\x00)/],
  ['a Parquet file', /^PAR1/],
  ['an Avro file', /^Obj\x01/],
  ['an image', /^(?:\x89PNG\r\n|\xff\xd8\xff|GIF8[79]a)/],
  ['a PDF', /^%PDF-/],
  ['a packet capture', /^(?:\xd4\xc3\xb2\xa1|\xa1\xb2\xc3\xd4|\x0a\x0d\x0d\x0a)/],
  ['a tar archive', /^[^]{257}ustar[\x00 ]/],
];

const WIDE_MARKS: readonly (readonly [name: string, begin: RegExp])[] = [
  ['UTF-32LE', /^\xff\xfe\x00\x00/],
  ['UTF-32BE', /^\x00\x00\xfe\xff/],
  ['UTF-16LE', /^\xff\xfe/],
  ['UTF-16BE', /^\xfe\xff/],
];

/**
 * What the first bytes of a file say it is, where that is not lines of text in an encoding that keeps ASCII; undefined where it may be
 * text. A hole of zero bytes is passed over, since a log may have one.
 */
export function foreignContent(begin: Uint8Array): ForeignContent | undefined {
  const latin1 = Buffer.from(begin.buffer, begin.byteOffset, begin.byteLength).toString('latin1');
  const packed = named(COMPRESSED, latin1);
  if (packed !== undefined) return compressed(packed);
  const wide = named(WIDE_MARKS, latin1) ?? wideWithoutMark(begin);
  if (wide !== undefined) return wideText(wide);
  const text = latin1.replace(/^(?:\xef\xbb\xbf|\x00)+/, '');
  const binary = named(BINARY, latin1) ?? (hasBytesOfNoText(text) ? 'bytes that are not text' : undefined);
  if (binary !== undefined)
    return { reason: `holds ${binary}, not lines`, hint: 'name it in exclude', isCompressed: false };
  return jsonOverLines(text);
}

function named(marks: readonly (readonly [string, RegExp])[], latin1: string): string | undefined {
  return marks.find(([, begin]) => begin.test(latin1))?.[0];
}

const UNPACK: Readonly<Record<string, string>> = {
  gzip: 'zcat',
  zstd: 'zstdcat',
  bzip2: 'bzcat',
  xz: 'xzcat',
  lz4: 'lz4cat',
  compress: 'zcat',
};

function compressed(name: string): ForeignContent {
  const command = UNPACK[name];
  const unpack = command === undefined ? 'unpack it' : `unpack it (${command} FILE > FILE.log)`;
  return {
    reason: `is compressed (${name})`,
    hint: `${unpack} where its lines were never read; else name it in exclude`,
    isCompressed: true,
  };
}

function wideText(name: string): ForeignContent {
  return {
    reason: `is text in ${name}`,
    hint: `have it written in UTF-8, or convert it: iconv -f ${name} -t UTF-8 FILE > FILE.log`,
    isCompressed: false,
  };
}

/** Characters of the sample that a guess needs at least. */
const WIDE_CHARACTERS_MIN = 8;

/** Text of two or four bytes a character is known by its zero bytes: most characters of a log are ASCII. */
function wideWithoutMark(bytes: Uint8Array): string | undefined {
  const zeros = [0, 0, 0, 0];
  const quads = bytes.length >> 2;
  if (quads * 2 < WIDE_CHARACTERS_MIN) return undefined;
  for (let at = 0; at < quads * 4; at++) if (bytes[at] === 0) zeros[at & 3]! += 1;
  const shares = zeros.map((count) => count / quads);
  const isHigh = (...places: readonly number[]): boolean =>
    shares.every((share, place) => (places.includes(place) ? share >= 0.4 : share <= 0.05));
  if (isHigh(1, 3)) return 'UTF-16LE';
  if (isHigh(0, 2)) return 'UTF-16BE';
  if (isHigh(1, 2, 3)) return 'UTF-32LE';
  if (isHigh(0, 1, 2)) return 'UTF-32BE';
  return undefined;
}

/** A text has no such share of control characters, nor so many kinds of them; and where it has zero bytes, they are few holes. */
function hasBytesOfNoText(text: string): boolean {
  if (text.length < 32) return false;
  const controls = text.match(/[\x01-\x08\x0e-\x1a\x1c-\x1f\x7f]/g) ?? [];
  if (new Set(controls).size >= 4 && controls.length >= text.length * 0.04) return true;
  const holes = text.match(/\x00+/g) ?? [];
  return holes.length >= 6 && holes.length >= text.length / 128;
}

/** JSON that is not one object a line: an array of objects, or an object over several lines. */
function jsonOverLines(text: string): ForeignContent | undefined {
  const hint = (filter: string): string => `write one object a line: jq -c '${filter}' FILE > FILE.log`;
  if (/^\s*\[\s*\{/.test(text) && !/^\s*\[\s*\{[^\n]*\}\s*\]\s*\S/.test(text))
    return { reason: 'is a JSON array, not one object a line', hint: hint('.[]'), isCompressed: false };
  if (/^\s*\{[ \t]*\r?\n\s*"/.test(text))
    return { reason: 'is JSON over several lines, not one object a line', hint: hint('.'), isCompressed: false };
  return undefined;
}
