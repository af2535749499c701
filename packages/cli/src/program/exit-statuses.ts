/** Exit statuses of the commands that follow a release, and what became of it. */
export const EXIT_STATUSES: ReadonlyArray<readonly [status: number, meaning: string]> = [
  [0, 'promoted'],
  [1, 'what became of the release could not be found out, or it was not started'],
  [2, 'rolled back, or ended before it reached the canary'],
  [3, 'waiting for a person'],
  [4, 'superseded by a newer release'],
  [130, 'interrupted by Ctrl-C; the release goes on'],
];
