import { STS } from '@aws-sdk/client-sts';
import type { Context } from '../context.ts';
import { type Account, type Check, failure, ok, skipped } from './check.ts';

/** The region and the credentials: without both of them nothing else can be asked. */
export async function identity(context: Context): Promise<{ checks: Check[]; account?: Account }> {
  const sts = new STS(context.target.connection);
  let region: string;
  try {
    region = await sts.config.region();
  } catch (error) {
    return { checks: [withoutRegion(error), skipped('credentials', 'not checked: no region')] };
  }
  try {
    const { Account: id = '', Arn = '' } = await sts.getCallerIdentity({});
    return {
      checks: [ok('region', region), ok('credentials', `account ${id}, ${Arn}`)],
      account: { id, region },
    };
  } catch (error) {
    return { checks: refusedIdentity(region, error) };
  }
}

function withoutRegion(error: unknown): Check {
  const { message } = error as Error;
  return failure(
    'region',
    message === 'Region is missing' ? 'none is set' : message,
    'export AWS_REGION=eu-central-1, or another region',
  );
}

/** AWS's own words are left out: those about a signature may repeat what was signed, a session token included. */
function refusedIdentity(region: string, error: unknown): Check[] {
  const { name, code } = error as Error & { readonly code?: string };
  if (code === 'ENOTFOUND' || code === 'EAI_AGAIN') {
    return [
      failure(
        'region',
        `${region}: its STS endpoint has no address`,
        'check the name against https://docs.aws.amazon.com/global-infrastructure/latest/regions/aws-regions.html, and that this machine reaches the internet',
      ),
      skipped('credentials', 'not checked: the region does not answer'),
    ];
  }
  const login =
    'log in ("aws sso login", "aws login", or "aws configure"), name the profile with AWS_PROFILE, then check it with "aws sts get-caller-identity"';
  if (name === 'CredentialsProviderError') {
    return [
      ok('region', region),
      failure('credentials', 'neither the environment nor the profile has any', login),
    ];
  }
  if (name === 'InvalidClientTokenId') {
    return [
      ok('region', region),
      failure(
        'credentials',
        `${region} does not know them (${name}): they are wrong, or the account has not enabled this region`,
        `${login}; or "aws account enable-region --region-name ${region}"`,
      ),
    ];
  }
  return [ok('region', region), failure('credentials', `AWS refuses them (${name})`, login)];
}
