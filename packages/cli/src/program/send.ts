import { wholeNumber } from './arguments.ts';
import type { Cli, Common } from './cli.ts';

export function sendCommand({ command, context, world }: Cli): void {
  command('send', 'send messages to the queue')
    .option('--count <number>', 'how many', wholeNumber(1, 10_000_000), 100)
    .option('--rate <number>', 'messages per second; 0 is as fast as possible', wholeNumber(0, 100_000), 0)
    .option('--body <text>', 'body; {n} is the number of the message', 'Test message {n}')
    .action(async (options: Common & { count: number; rate: number; body: string }) => {
      const { send } = await import('../commands/send.ts');
      world.print(`sent ${await send(await context(options), options)}`);
    });
}
