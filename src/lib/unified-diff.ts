/** Lines shown around what changed. */
const CONTEXT_LINES = 3;

interface Step {
  readonly sign: ' ' | '-' | '+';
  readonly line: string;
}

/**
 * The unified diff of two texts, without a header; '' where they are the same. For texts of some hundred lines: the table of the longest common
 * subsequence has lines × lines entries.
 */
export function unifiedDiff(before: string, after: string): string {
  const steps = stepsBetween(linesOf(before), linesOf(after));
  const isShown = steps.map((_, at) =>
    steps.slice(Math.max(0, at - CONTEXT_LINES), at + CONTEXT_LINES + 1).some(({ sign }) => sign !== ' '),
  );
  const out: string[] = [];
  let [oldLine, newLine] = [1, 1];
  for (let at = 0; at < steps.length; at++) {
    if (isShown[at] === true && isShown[at - 1] !== true) out.push(hunkHeader(steps, isShown, at, oldLine, newLine));
    const { sign, line } = steps[at]!;
    if (isShown[at] === true) out.push(`${sign}${line}`);
    if (sign !== '+') oldLine++;
    if (sign !== '-') newLine++;
  }
  return out.join('\n');
}

function hunkHeader(
  steps: readonly Step[],
  isShown: readonly boolean[],
  from: number,
  oldLine: number,
  newLine: number,
): string {
  let to = from;
  while (isShown[to] === true) to++;
  const hunk = steps.slice(from, to);
  const olds = hunk.filter(({ sign }) => sign !== '+').length;
  const news = hunk.filter(({ sign }) => sign !== '-').length;
  // A range without lines names the line before it.
  return `@@ -${olds === 0 ? oldLine - 1 : oldLine},${olds} +${news === 0 ? newLine - 1 : newLine},${news} @@`;
}

function linesOf(text: string): string[] {
  return text === '' ? [] : text.replace(/\n$/, '').split('\n');
}

function stepsBetween(before: readonly string[], after: readonly string[]): Step[] {
  const width = after.length + 1;
  // common[i * width + j]: length of the longest common subsequence of before[i…] and after[j…].
  const common = new Uint32Array((before.length + 1) * width);
  for (let i = before.length - 1; i >= 0; i--) {
    for (let j = after.length - 1; j >= 0; j--) {
      common[i * width + j] =
        before[i] === after[j]
          ? common[(i + 1) * width + j + 1]! + 1
          : Math.max(common[(i + 1) * width + j]!, common[i * width + j + 1]!);
    }
  }
  const steps: Step[] = [];
  let [i, j] = [0, 0];
  while (i < before.length || j < after.length) {
    if (i < before.length && j < after.length && before[i] === after[j]) {
      steps.push({ sign: ' ', line: before[i]! });
      i++;
      j++;
    } else if (
      j === after.length ||
      (i < before.length && common[(i + 1) * width + j]! >= common[i * width + j + 1]!)
    ) {
      steps.push({ sign: '-', line: before[i++]! });
    } else {
      steps.push({ sign: '+', line: after[j++]! });
    }
  }
  return steps;
}
