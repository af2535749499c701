import { runWorker } from '@queue-canary/worker';
import { decode, handle, version } from './handler.ts';

/** A setting in seconds; without it, the runtime's default holds. */
function seconds(name: string): number | undefined {
  const text = process.env[name];
  if (text === undefined) return undefined;
  if (!/^\d+$/.test(text)) throw new Error(`${name} must be a whole number of seconds, not "${text}"`);
  return Number(text);
}

try {
  const stopTimeout = seconds('STOP_TIMEOUT_SECONDS');
  await runWorker({
    version,
    decode,
    handler: handle,
    visibilitySeconds: seconds('VISIBILITY_TIMEOUT_SECONDS'),
    retryFirstSeconds: seconds('RETRY_DELAY_SECONDS'),
    stopTimeoutMs: stopTimeout === undefined ? undefined : stopTimeout * 1000,
  });
} catch (error) {
  console.error(`The worker cannot start: ${error instanceof Error ? error.message : error}.`);
  process.exit(1);
}
