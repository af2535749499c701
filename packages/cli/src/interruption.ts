/** Aborts when the user presses Ctrl-C, so that a program can clean up; the second time the program ends at once. */
export function interruption(): AbortSignal {
  const interrupted = new AbortController();
  let presses = 0;
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      presses += 1;
      if (presses === 1) interrupted.abort();
      else process.exit(130);
    });
  }
  return interrupted.signal;
}
