import { sameText, signatureOf } from './signature.ts';

/** What a password for git says of itself. */
export interface GitPassword {
  /** Without the `Z` of other timestamps. */
  readonly timestamp: string;
  readonly signature: string;
}

/** Reads a password of the form `<yyyymmddThhmmss>Z<signature>`; `undefined` where it is another secret. */
export function readGitPassword(password: string): GitPassword | undefined {
  const match = /^(\d{8}T\d{6})Z([0-9a-f]{64})$/.exec(password);
  return match === null ? undefined : { timestamp: match[1]!, signature: match[2]! };
}

/**
 * Whether a password for git was signed with the secret. CodeCommit's credential helper and git-remote-codecommit sign
 * no request: there is one password for all that git asks of a repository, over a method named GIT, the repository's path
 * and the host without its port, as `awscli/customizations/codecommit.py` of the AWS CLI shows.
 */
export function gitPasswordMatches(
  { timestamp, signature }: GitPassword,
  signed: { readonly region: string; readonly host: string; readonly path: string },
  secret: string,
): boolean {
  const { region, host, path } = signed;
  const date = timestamp.slice(0, 8);
  const scope = {
    accessKeyId: '',
    scope: `${date}/${region}/codecommit/aws4_request`,
    date,
    region,
    service: 'codecommit',
    signedHeaders: ['host'],
  };
  const canonical = `GIT\n${path}\n\nhost:${host}\n\nhost\n`;
  return sameText(signature, signatureOf(canonical, scope, timestamp, secret));
}
