/**
 * Runs `work` for every id as soon as all that it waits for are done. What waits for something that failed
 * (`false`) does not run. An error ends the whole, once everything that had begun is over.
 */
export async function inParallel(
  ids: readonly string[],
  waitsFor: (id: string) => readonly string[],
  work: (id: string) => Promise<boolean>,
): Promise<void> {
  const running = new Map<string, Promise<boolean>>();
  const begin = (id: string): Promise<boolean> => {
    let promise = running.get(id);
    if (!promise) {
      promise = Promise.resolve().then(async () => {
        const done = await Promise.all(waitsFor(id).map(begin));
        return done.every((item) => item) && (await work(id));
      });
      running.set(id, promise);
    }
    return promise;
  };
  const results = await Promise.allSettled(ids.map(begin));
  for (const result of results) if (result.status === 'rejected') throw result.reason;
}
