import { chmodSync, existsSync, mkdirSync, readdirSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Ids } from '../../ids.ts';
import type { LoadedImage } from './image-store.ts';
import { unpackLayers } from './unpack.ts';

/**
 * The unpacked files of images, one directory per image digest, shared by all tasks of that image.
 *
 * Sharing makes a task start in milliseconds, where copying or linking some thousand files per task would
 * dominate it. The price is that tasks cannot write to the image's files: everything is made read-only (which
 * the superuser may ignore), as with ECS's `readonlyRootFilesystem`, and each task has a scratch directory.
 */
export class RootfsCache {
  readonly #directory: string;
  readonly #ids: Ids;
  readonly #pending = new Map<string, Promise<string>>();

  constructor(options: { directory: string; ids: Ids }) {
    this.#directory = options.directory;
    this.#ids = options.ids;
    mkdirSync(this.#directory, { recursive: true });
    for (const name of readdirSync(this.#directory)) {
      if (name.startsWith('new-')) void removeTree(join(this.#directory, name));
    }
  }

  /** Directory that holds the image's root; unpacks it first when needed, once however many ask. */
  async rootOf(image: LoadedImage): Promise<string> {
    const final = join(this.#directory, image.digest.replace(':', '-'));
    if (existsSync(final)) return final;
    const pending = this.#pending.get(image.digest) ?? this.#unpack(image, final);
    this.#pending.set(image.digest, pending);
    try {
      return await pending;
    } finally {
      this.#pending.delete(image.digest);
    }
  }

  /** Forgets an image's files. No task of it may be running. */
  async drop(digest: string): Promise<void> {
    await removeTree(join(this.#directory, digest.replace(':', '-')));
  }

  async #unpack(image: LoadedImage, final: string): Promise<string> {
    const fresh = join(this.#directory, `new-${this.#ids.hex(16)}`);
    await mkdir(fresh);
    try {
      await unpackLayers(image.layers, fresh, { readOnly: true });
      makeReadOnly(fresh);
      await rename(fresh, final);
      return final;
    } catch (error) {
      await removeTree(fresh);
      throw error;
    }
  }
}

/** The files are read-only already. The directory itself may still be renamed: that changes its parent only. */
function makeReadOnly(directory: string): void {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    if (entry.isDirectory()) makeReadOnly(join(directory, entry.name));
  }
  chmodSync(directory, 0o555);
}

async function removeTree(directory: string): Promise<void> {
  if (!existsSync(directory)) return;
  makeRemovable(directory);
  await rm(directory, { recursive: true, force: true });
}

function makeRemovable(directory: string): void {
  chmodSync(directory, 0o755);
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    if (entry.isDirectory()) makeRemovable(join(directory, entry.name));
  }
}
