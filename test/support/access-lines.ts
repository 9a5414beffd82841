/** `count` lines in the combined format, a second apart from `startMs` on, with values that follow from their number. */
export function accessLines(count: number, startMs = Date.UTC(2026, 0, 1)): string {
  const lines: string[] = [];
  for (let i = 0; i < count; i++) lines.push(accessLine(i, startMs + i * 1000));
  return `${lines.join('\n')}\n`;
}

export function accessLine(number: number, timeMs: number): string {
  const status = number % 10 === 0 ? 500 : 200;
  return `192.0.2.${number % 200} - - [${clfTime(timeMs)}] "GET /page/${number % 5} HTTP/1.1" ${status} ${number} "-" "test"`;
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

function clfTime(timeMs: number): string {
  const iso = new Date(timeMs).toISOString();
  return `${iso.slice(8, 10)}/${MONTHS[Number(iso.slice(5, 7)) - 1]}/${iso.slice(0, 4)}:${iso.slice(11, 19)} +0000`;
}
