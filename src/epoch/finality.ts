/**
 * The one rule of when a window is closed, used by the engine and by every sink: its last millisecond and the allowed lateness
 * lie at or below the watermark. (Flink: WindowOperator fires when watermark ≥ end − 1 and clears after the lateness.)
 */
export function isFinal(windowEndMs: number, allowedLatenessMs: number, watermarkMs: number): boolean {
  return windowEndMs - 1 + allowedLatenessMs <= watermarkMs;
}

/** Start of the tumbling window of an event time, negative times included. */
export function windowStart(eventTimeMs: number, sizeMs: number, offsetMs: number): number {
  const shifted = eventTimeMs - offsetMs;
  return eventTimeMs - (((shifted % sizeMs) + sizeMs) % sizeMs);
}
