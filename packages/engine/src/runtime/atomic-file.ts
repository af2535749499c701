import { renameSync, rmSync, writeFileSync } from 'node:fs';

/**
 * Replaces the file's content in one step: after a crash at any instant it holds either the old or the new
 * content. `temporaryId` must differ between concurrent writers.
 */
export function writeFileAtomic(
  path: string,
  content: string | Uint8Array,
  temporaryId: string,
  mode = 0o644,
): void {
  const temporary = `${path}.${temporaryId}.new`;
  try {
    writeFileSync(temporary, content, { mode, flag: 'wx' });
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}
