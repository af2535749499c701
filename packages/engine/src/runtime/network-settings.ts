const NETWORK = [
  'LANG',
  'LC_ALL',
  'TZ',
  'TMPDIR',
  'NODE_EXTRA_CA_CERTS',
  'SSL_CERT_FILE',
  'SSL_CERT_DIR',
  'GIT_SSL_CAINFO',
  'HTTP_PROXY',
  'HTTPS_PROXY',
  'NO_PROXY',
  'ALL_PROXY',
  'http_proxy',
  'https_proxy',
  'no_proxy',
  'all_proxy',
];

/** npm's settings for the network. Its others name files of the machine's user, or hold credentials. */
const NPM_NETWORK = /^npm_config_(registry|proxy|https_proxy|noproxy|ca|cafile|strict_ssl)$/i;

/**
 * What an environment says about reaching the network from this machine: language, proxies, certificates and npm's
 * registry. Neither credentials nor anything in the home directory of the machine's user are among it.
 */
export function networkSettings(env: Readonly<Record<string, string | undefined>>): Record<string, string> {
  const chosen = Object.entries(env).filter(([name]) => NETWORK.includes(name) || NPM_NETWORK.test(name));
  return Object.fromEntries(chosen.flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])));
}
