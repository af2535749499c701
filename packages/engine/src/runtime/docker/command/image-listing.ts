import { UserError } from '../../../errors.ts';
import { type ImageReference, parseImageReference } from '../../oci/image-reference.ts';
import { formatTemplate } from '../format-template.ts';
import type { ImageLibrary, LibraryImage } from '../image-library.ts';
import { taggedName } from '../image-library.ts';
import { parse, requireReference, UsageError } from './arguments.ts';

/** Where images are kept, and where what is said of them goes. */
export interface Shelf {
  readonly library: ImageLibrary;
  readonly print: (line: string) => void;
}

interface ImageRow {
  readonly Repository: string;
  readonly Tag: string;
  readonly ID: string;
  readonly Digest: string;
  readonly Size: string;
}

/** One row for each name of the image. */
function imageRows(image: LibraryImage, wholeId: boolean): ImageRow[] {
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

function imageTable(rows: readonly ImageRow[]): string[] {
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

/** `docker images`. */
export function listImages(args: readonly string[], { library, print }: Shelf): void {
  const { values, positionals } = parse(
    'images',
    args,
    {
      quiet: { type: 'boolean', short: 'q' },
      all: { type: 'boolean', short: 'a' },
      digests: { type: 'boolean' },
      format: { type: 'string' },
      'no-trunc': { type: 'boolean' },
    },
    [0, 1],
  );
  const wanted = positionals[0] === undefined ? undefined : requireReference(positionals[0]);
  const rows = library
    .list()
    .flatMap((image) => imageRows(image, values['no-trunc'] === true))
    .filter(
      ({ Repository, Tag }) =>
        wanted === undefined ||
        (Repository === repositoryName(wanted) && (wanted.tag === undefined || wanted.tag === Tag)),
    );
  const { format } = values;
  const lines =
    values.quiet === true
      ? rows.map((row) => row.ID)
      : format !== undefined
        ? rows.map((row) => formatTemplate(format, row))
        : imageTable(rows);
  for (const line of lines) print(line);
}

/** `docker inspect`. */
export function inspectImages(args: readonly string[], { library, print }: Shelf): void {
  const { values, positionals } = parse(
    'inspect',
    args,
    { format: { type: 'string', short: 'f' }, type: { type: 'string' } },
    [1, Number.POSITIVE_INFINITY],
  );
  if (values.type !== undefined && values.type !== 'image')
    throw new UsageError(`inspect --type ${values.type} is not supported; there are only images.`);
  const details = positionals.map((name) => describe(requireImage(library, name)));
  const { format } = values;
  const texts =
    format === undefined
      ? [JSON.stringify(details, null, 4)]
      : details.map((detail) => formatTemplate(format, detail));
  for (const text of texts) print(text);
}

function describe(image: LibraryImage): Record<string, unknown> {
  const size = image.manifest.layers.reduce((sum, layer) => sum + layer.size, 0);
  return {
    Id: image.id,
    RepoTags: image.repoTags,
    RepoDigests: image.repoDigests,
    Created: image.config.created ?? '',
    Architecture: image.config.architecture,
    Os: image.config.os,
    Size: size,
    Config: image.config.config ?? {},
    RootFS: { Type: 'layers', Layers: image.config.rootfs.diff_ids },
  };
}

/** `docker rmi`. */
export function removeImages(args: readonly string[], { library, print }: Shelf): void {
  const { values, positionals } = parse('rmi', args, { force: { type: 'boolean', short: 'f' } }, [
    1,
    Number.POSITIVE_INFINITY,
  ]);
  for (const name of positionals) {
    const image = requireImage(library, name);
    const reference = parseImageReference(name);
    if (reference !== undefined && library.untag(reference)) {
      print(`Untagged: ${taggedName(reference)}`);
      if (image.repoTags.length > 1) continue;
    } else if (image.repoTags.length > 1 && values.force !== true) {
      throw new UserError(
        'ImageInUse',
        `${name} has several names (${image.repoTags.join(', ')}); remove them by name, or use --force.`,
      );
    }
    for (const tag of image.repoTags) library.untag(parseImageReference(tag)!);
    library.remove(image.manifestDigest);
    print(`Deleted: ${image.id}`);
  }
}

export function requireImage(library: ImageLibrary, name: string): LibraryImage {
  const image = library.find(name, parseImageReference(name));
  if (image === undefined) throw new UserError('NoSuchImage', `No such image: ${name}`);
  return image;
}

function repositoryName({ registry, repository }: ImageReference): string {
  return registry === undefined ? repository : `${registry}/${repository}`;
}
