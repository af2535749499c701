import type { LibraryImage } from '../image-library.ts';

export interface ImageRow {
  readonly Repository: string;
  readonly Tag: string;
  readonly ID: string;
  readonly Digest: string;
  readonly Size: string;
}

/** One row for each name of the image. */
export function imageRows(image: LibraryImage, wholeId: boolean): ImageRow[] {
  const names = image.repoTags.length === 0 ? ['<none>:<none>'] : image.repoTags;
  const size = image.manifest.layers.reduce((sum, layer) => sum + layer.size, 0);
  return names.map((name) => {
    const colon = name.lastIndexOf(':');
    return {
      Repository: name.slice(0, colon),
      Tag: name.slice(colon + 1),
      ID: wholeId ? image.id : shortId(image.id),
      Digest: image.manifestDigest,
      Size: `${(size / 1e6).toFixed(1)}MB`,
    };
  });
}

export function imageTable(rows: readonly ImageRow[]): string[] {
  const table = [
    ['REPOSITORY', 'TAG', 'IMAGE ID', 'SIZE'],
    ...rows.map((row) => [row.Repository, row.Tag, row.ID, row.Size]),
  ];
  const widths = [0, 1, 2, 3].map((column) => Math.max(...table.map((row) => row[column]!.length)));
  return table.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column]!))
      .join('   ')
      .trimEnd(),
  );
}

/** The first digits of an id, as Docker shows it. */
export function shortId(id: string): string {
  return id.slice('sha256:'.length, 'sha256:'.length + 12);
}
