/** One check of `doctor`: something that a first deployment needs. */
export interface Check {
  readonly name: string;
  /** `skipped`: it could not be asked, or does not apply to the target. */
  readonly result: 'ok' | 'warning' | 'failure' | 'skipped';
  readonly found: string;
  /** What to do; present for each warning and failure. */
  readonly fix?: string;
}

export const ok = (name: string, found: string): Check => ({ name, result: 'ok', found });

export const skipped = (name: string, found: string): Check => ({ name, result: 'skipped', found });

export const warning = (name: string, found: string, fix: string): Check => ({
  name,
  result: 'warning',
  found,
  fix,
});

export const failure = (name: string, found: string, fix: string): Check => ({
  name,
  result: 'failure',
  found,
  fix,
});

/** Who asks, and where. */
export interface Account {
  readonly id: string;
  readonly region: string;
}
