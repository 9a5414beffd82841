/** Whether a run ends by itself, and what its end means. */
export interface RunEnd {
  readonly isOnce: boolean;
  /** With `isOnce`: nothing will follow, so every window closes. Else the end is a pause, and what is not over goes on in the next run. */
  readonly closesAll: boolean;
}
