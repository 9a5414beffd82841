/**
 * The one rule of when a window is closed, used by the engine and by every sink: its last millisecond and the allowed lateness
 * lie at or below the watermark. (Flink: WindowOperator fires when watermark ≥ end − 1 and clears after the lateness.)
 */
export function isFinal(endMs: number, allowedLatenessMs: number, watermarkMs: number): boolean {
  return deadlineMs(endMs, allowedLatenessMs) <= watermarkMs;
}

/** The least watermark at which what ends at `endMs` is closed. */
export function deadlineMs(endMs: number, allowedLatenessMs: number): number {
  return endMs - 1 + allowedLatenessMs;
}

/** Start of the tumbling window of an event time, negative times included. */
export function windowStart(eventTimeMs: number, sizeMs: number, offsetMs: number): number {
  const shifted = eventTimeMs - offsetMs;
  return eventTimeMs - (((shifted % sizeMs) + sizeMs) % sizeMs);
}
