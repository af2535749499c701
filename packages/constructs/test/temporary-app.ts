import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { App, type AppProps } from 'aws-cdk-lib';
import { afterAll } from 'vitest';

const root = mkdtempSync(join(tmpdir(), 'queue-canary-apps-'));
afterAll(() => rmSync(root, { recursive: true, force: true }));
let apps = 0;

/** An app whose assembly is removed after the file's tests; CDK itself leaves one for each app that names no directory. */
export function temporaryApp(props: AppProps = {}): App {
  apps += 1;
  return new App({ outdir: join(root, String(apps)), ...props });
}
