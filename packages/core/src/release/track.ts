/** Which of the two services: the one that gets a release first, or the one that gets it once it is promoted. */
export type Track = 'canary' | 'stable';

/** Both tracks, the one that is restored first in front. */
export const tracks: readonly Track[] = ['canary', 'stable'];
