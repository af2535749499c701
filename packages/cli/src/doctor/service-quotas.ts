import type { STS } from '@aws-sdk/client-sts';
import { SignatureV4 } from '@smithy/signature-v4';

/** A quota by the codes that Service Quotas gives it. */
export interface Quota {
  readonly service: string;
  readonly code: string;
}

/**
 * Asks Service Quotas for the value of a quota in this account and region. Where the account has none of its own, AWS's
 * default counts: https://docs.aws.amazon.com/servicequotas/2019-06-24/apireference/API_GetServiceQuota.html
 */
export async function quotaValue(
  sts: STS,
  quota: Quota,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<number> {
  const input = { ServiceCode: quota.service, QuotaCode: quota.code };
  try {
    return await ask(sts, 'GetServiceQuota', input, environment);
  } catch (error) {
    if ((error as Error).name !== 'NoSuchResourceException') throw error;
    return await ask(sts, 'GetAWSDefaultServiceQuota', input, environment);
  }
}

/** A signed call with the credentials and the region of another client, for two operations that need no client of their own. */
async function ask(
  { config }: STS,
  operation: string,
  input: object,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<number> {
  const region = await config.region();
  const url = new URL(
    environment.AWS_ENDPOINT_URL_SERVICE_QUOTAS || environment.AWS_ENDPOINT_URL || endpoint(region),
  );
  const signer = new SignatureV4({
    credentials: config.credentials,
    region,
    service: 'servicequotas',
    sha256: config.sha256,
  });
  const body = JSON.stringify(input);
  const { method, headers } = await signer.sign({
    method: 'POST',
    protocol: url.protocol,
    hostname: url.hostname,
    path: '/',
    query: {},
    headers: {
      host: url.host,
      'content-type': 'application/x-amz-json-1.1',
      'x-amz-target': `ServiceQuotasV20190624.${operation}`,
    },
    body,
  });
  const response = await fetch(url, { method, headers, body, signal: AbortSignal.timeout(10_000) });
  const answer = JSON.parse((await response.text()) || '{}') as {
    readonly Quota?: { readonly Value?: number };
    readonly __type?: string;
    readonly message?: string;
    readonly Message?: string;
  };
  if (!response.ok || answer.Quota?.Value === undefined) throw refusal(response.status, answer);
  return answer.Quota.Value;
}

function endpoint(region: string): string {
  return `https://servicequotas.${region}.amazonaws.com${region.startsWith('cn-') ? '.cn' : ''}`;
}

function refusal(
  status: number,
  answer: { readonly __type?: string; readonly message?: string; readonly Message?: string },
): Error {
  const error = new Error(
    answer.message ?? answer.Message ?? `Service Quotas answered with status ${status}`,
  );
  error.name = answer.__type?.split('#').at(-1) ?? 'Error';
  return error;
}
