import type {
  EncryptionConfiguration,
  ImageScanningConfiguration,
  ImageTagMutability,
  ImageTagMutabilityExclusionFilter,
  Repository,
  Tag,
} from '@aws-sdk/client-ecr';
import type { Engine } from '../../dispatch/service.ts';
import { AwsFault } from '../../errors.ts';
import { isRepositoryName } from '../../runtime/oci/image-reference.ts';
import type { Table } from '../../state/state.ts';
import { matchesPieces } from '../../wildcard.ts';

export interface StoredRepository {
  readonly name: string;
  readonly createdAtMs: number;
  readonly tagMutability: ImageTagMutability;
  readonly mutableTags: readonly ImageTagMutabilityExclusionFilter[];
  readonly scanning: ImageScanningConfiguration;
  readonly encryption: EncryptionConfiguration;
  readonly tags: readonly Tag[];
  readonly policy?: string;
  readonly lifecyclePolicy?: string;
}

/** Which image repositories exist, and what each promises about its tags. */
export class Repositories {
  readonly #engine: Engine;
  readonly #table: Table<StoredRepository>;

  constructor(engine: Engine) {
    this.#engine = engine;
    this.#table = engine.state.table<StoredRepository>('ecr.repositories');
  }

  arn(name: string | undefined): string {
    return `arn:aws:ecr:${this.#engine.region}:${this.#engine.accountId}:repository/${name ?? ''}`;
  }

  has(name: string): boolean {
    return this.#table.has(name);
  }

  find(name: string): StoredRepository | undefined {
    return this.#table.get(name);
  }

  byArn(arn: string): StoredRepository | undefined {
    const name = arn.slice(arn.indexOf('/') + 1);
    return this.arn(name) === arn ? this.#table.get(name) : undefined;
  }

  get(name: string | undefined, registryId?: string): StoredRepository {
    const repository = this.#table.get(name ?? '');
    if (!repository || (registryId !== undefined && registryId !== this.#engine.accountId)) {
      throw new AwsFault(
        'RepositoryNotFoundException',
        `The repository with name '${name}' does not exist in the registry with id '${registryId ?? this.#engine.accountId}'`,
      );
    }
    return repository;
  }

  create(repository: StoredRepository): StoredRepository {
    const { name } = repository;
    if (!isRepositoryName(name) || name.length < 2) {
      throw new AwsFault(
        'InvalidParameterException',
        `Invalid parameter at 'repositoryName' failed to satisfy constraint: 'must satisfy regular expression' for '${name}': lower-case letters, digits, and . _ - / between them.`,
      );
    }
    if (this.#table.has(name)) {
      throw new AwsFault(
        'RepositoryAlreadyExistsException',
        `The repository with name '${name}' already exists in the registry with id '${this.#engine.accountId}'`,
      );
    }
    return this.#table.put(name, repository);
  }

  change(name: string, changes: Partial<StoredRepository>): StoredRepository {
    return this.#table.put(name, { ...this.get(name), ...changes });
  }

  replace(repository: StoredRepository): StoredRepository {
    return this.#table.put(repository.name, repository);
  }

  delete(name: string): void {
    this.#table.delete(name);
  }

  values(): StoredRepository[] {
    return [...this.#table.values()];
  }

  /** Whether the repository refuses to move this tag to another image. */
  isImmutable(name: string, tag: string): boolean {
    const repository = this.#table.get(name);
    if (!repository) return false;
    const { tagMutability, mutableTags } = repository;
    const listed = mutableTags.some(({ filter }) => matchesPieces((filter ?? '').split('*'), tag));
    switch (tagMutability) {
      case 'IMMUTABLE':
        return true;
      case 'IMMUTABLE_WITH_EXCLUSION':
        return !listed;
      case 'MUTABLE_WITH_EXCLUSION':
        return listed;
      default:
        return false;
    }
  }

  /** As `DescribeRepositories` shows it. The address is this engine's own registry, on its present port. */
  shown(repository: StoredRepository): Repository {
    return {
      repositoryArn: this.arn(repository.name),
      registryId: this.#engine.accountId,
      repositoryName: repository.name,
      repositoryUri: `${new URL(this.#engine.endpoint()).host}/${repository.name}`,
      createdAt: new Date(repository.createdAtMs),
      imageTagMutability: repository.tagMutability,
      imageTagMutabilityExclusionFilters:
        repository.mutableTags.length > 0 ? [...repository.mutableTags] : undefined,
      imageScanningConfiguration: repository.scanning,
      encryptionConfiguration: repository.encryption,
    };
  }
}
