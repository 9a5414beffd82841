/** Where a block is drawn: a terminal, or a pipe that gets lines instead. */
export interface BlockOutput {
  readonly isTTY: boolean;
  readonly columns: number;
  write(text: string): void;
}

/** Some lines at the bottom of a terminal that are drawn again in place, with notes scrolling by above them. */
export class LiveBlock {
  readonly #output: BlockOutput;
  #lines: readonly string[] = [];

  constructor(output: BlockOutput) {
    this.#output = output;
  }

  /** Elsewhere than on a terminal nothing is drawn: whoever draws says with notes what matters. */
  draw(lines: readonly string[]): void {
    if (!this.#output.isTTY) return;
    const width = Math.max(20, this.#output.columns - 1);
    const drawn = lines.map((line) => (line.length > width ? line.slice(0, width) : line));
    this.#output.write(`${this.#erase()}${drawn.join('\n')}\n`);
    this.#lines = drawn;
  }

  note(line: string): void {
    const lines = this.#lines;
    this.#output.write(`${this.#erase()}${line}\n`);
    this.#lines = [];
    if (lines.length > 0) this.draw(lines);
  }

  /** Leaves the block as it stands: what comes next is written below it. */
  keep(): void {
    this.#lines = [];
  }

  /** Takes the block away. */
  clear(): void {
    this.#output.write(this.#erase());
    this.#lines = [];
  }

  /** Up to the block's first line, and nothing below it. */
  #erase(): string {
    return this.#lines.length === 0 ? '' : `\u001b[${this.#lines.length}A\r\u001b[J`;
  }
}
