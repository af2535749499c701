import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App, type AppProps } from 'aws-cdk-lib';

const root = mkdtempSync(join(tmpdir(), 'queue-canary-apps-'));
// Files that share a process share this module.
process.on('exit', () => rmSync(root, { recursive: true, force: true }));
let apps = 0;

/**
 * An app whose templates are looked at: without the tree and the stack traces that it would write alongside them. Its assembly
 * is removed when the process ends; CDK itself leaves one for each app that names no directory.
 */
export function temporaryApp({ context, ...props }: AppProps = {}): App {
  apps += 1;
  return new App({
    outdir: join(root, String(apps)),
    analyticsReporting: false,
    treeMetadata: false,
    context: { 'aws:cdk:disable-stack-trace': true, ...context },
    ...props,
  });
}
