import { fileURLToPath } from 'node:url';

/**
 * Environment that keeps calls from AWS. A client that does not know AWS_ENDPOINT_URL would call AWS: its credentials are
 * refused there, but what the call carries would have left by then. So AWS_CA_BUNDLE, which every AWS CLI, boto3 and AWS SDK
 * for Go obeys, names an authority that no server has, and such a call ends before anything is sent. The engine itself is
 * plain HTTP on this machine.
 */
export const NO_WAY_TO_AWS = {
  AWS_CA_BUNDLE: fileURLToPath(new URL('../../assets/trusts-no-server.pem', import.meta.url)),
} as const;
