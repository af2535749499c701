import { quickApp } from '../../../packages/constructs/test/quick-app.ts';
import { addQueueCanary } from '../queue-canary-app.ts';

/** Every context value that the app knows, which it lists to whoever gives another. */
export function knownSettings(): string[] {
  try {
    addQueueCanary(quickApp({ context: { nothing: 'x' } }));
  } catch (error) {
    return (error as Error).message.split('the settings are ')[1]!.split(', ');
  }
  throw new Error('the app takes a context value that it does not know');
}
